-- The steps from each version of the tables to the next. Words in braces stand for the columns of a
-- level, those of a file, and the types of columns, which differ between the databases.

-- version 1: no longer supported

-- version 2
CREATE TABLE patient (id {id}, key {text} NOT NULL UNIQUE, {patient_columns});
CREATE TABLE study (id {id}, patient BIGINT NOT NULL REFERENCES patient(id),
    key {text} NOT NULL UNIQUE, {study_columns});
CREATE TABLE series (id {id}, study BIGINT NOT NULL REFERENCES study(id), key {text} NOT NULL,
    {series_columns}, UNIQUE (study, key));
CREATE TABLE instance (id {id}, series BIGINT NOT NULL REFERENCES series(id), {instance_columns},
    {file_columns}, UNIQUE (sop_instance_uid));
CREATE INDEX patient_by_id ON patient (patient_id);
CREATE INDEX patient_by_name ON patient (patient_name_key1);
CREATE INDEX study_by_patient ON study (patient);
CREATE INDEX study_by_uid ON study (study_instance_uid);
CREATE INDEX study_by_date ON study (study_date);
CREATE INDEX study_by_accession ON study (accession_number);
CREATE INDEX series_by_uid ON series (series_instance_uid);
CREATE INDEX instance_by_series ON instance (series);
CREATE INDEX instance_by_path ON instance (path);
CREATE TABLE conflict (id {id}, sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL,
    {file_columns}, at {real} NOT NULL, UNIQUE (holder, path));
CREATE INDEX conflict_by_uid ON conflict (sop_instance_uid);
CREATE TABLE journal (seq {seq}, kind {text} NOT NULL, at {real} NOT NULL,
    sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL,
    study_instance_uid {text} NOT NULL, series_instance_uid {text} NOT NULL, {file_columns});
CREATE TABLE doomed (holder {text} NOT NULL, path {text} NOT NULL, PRIMARY KEY (holder, path));
CREATE TABLE bucket (holder {text} NOT NULL, name {text} NOT NULL, changed BIGINT NOT NULL,
    PRIMARY KEY (holder, name));

-- version 3
ALTER TABLE doomed RENAME TO to_delete;
