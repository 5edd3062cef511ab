-- The tables of an index of version 3, which is no longer supported; types in braces.
CREATE TABLE patient (id {id}, key {text} NOT NULL UNIQUE, patient_name {text},
    patient_name_key1 {text}, patient_name_key2 {text}, patient_name_key3 {text}, patient_id {text},
    issuer_of_patient_id {text}, patient_birth_date {text}, patient_birth_time {text},
    patient_birth_time_key1 {text}, patient_sex {text});
CREATE TABLE study (id {id}, patient BIGINT NOT NULL REFERENCES patient(id), key {text} NOT NULL
    UNIQUE, study_instance_uid {text}, study_id {text}, study_date {text}, study_time {text},
    study_time_key1 {text}, accession_number {text}, referring_physician_name {text},
    referring_physician_name_key1 {text}, referring_physician_name_key2 {text},
    referring_physician_name_key3 {text}, study_description {text});
CREATE TABLE series (id {id}, study BIGINT NOT NULL REFERENCES study(id), key {text} NOT NULL,
    series_instance_uid {text}, series_number {text}, series_number_key1 {text}, modality {text},
    series_date {text}, series_time {text}, series_time_key1 {text}, series_description {text},
    station_name {text}, body_part_examined {text}, protocol_name {text}, UNIQUE (study, key));
CREATE TABLE instance (id {id}, series BIGINT NOT NULL REFERENCES series(id), sop_instance_uid
    {text}, sop_class_uid {text}, instance_number {text}, instance_number_key1 {text}, content_date
    {text}, content_time {text}, content_time_key1 {text}, acquisition_date_time {text},
    acquisition_date_time_key1 {text}, number_of_frames {text}, number_of_frames_key1 {text}, rows
    {text}, rows_key1 {text}, columns {text}, columns_key1 {text}, transfer_syntax {text} NOT NULL,
    path {text} NOT NULL, start BIGINT NOT NULL, size BIGINT NOT NULL, digest {blob} NOT NULL,
    holder {text} NOT NULL, UNIQUE (sop_instance_uid));
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
    transfer_syntax {text} NOT NULL, path {text} NOT NULL, start BIGINT NOT NULL, size BIGINT NOT
    NULL, digest {blob} NOT NULL, holder {text} NOT NULL, at {real} NOT NULL, UNIQUE (holder, path));
CREATE INDEX conflict_by_uid ON conflict (sop_instance_uid);
CREATE TABLE journal (seq {seq}, kind {text} NOT NULL, at {real} NOT NULL, sop_instance_uid
    {text} NOT NULL, sop_class_uid {text} NOT NULL, study_instance_uid {text} NOT NULL,
    series_instance_uid {text} NOT NULL, transfer_syntax {text} NOT NULL, path {text} NOT NULL,
    start BIGINT NOT NULL, size BIGINT NOT NULL, digest {blob} NOT NULL, holder {text} NOT NULL);
CREATE TABLE doomed (holder {text} NOT NULL, path {text} NOT NULL, PRIMARY KEY (holder, path));
CREATE TABLE bucket (holder {text} NOT NULL, name {text} NOT NULL, changed BIGINT NOT NULL,
    PRIMARY KEY (holder, name));
ALTER TABLE doomed RENAME TO to_delete;
