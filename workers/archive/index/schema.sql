-- The steps from each version of the tables to the next. Words in braces stand for the columns of a
-- level, those of a file, and the types of columns, which differ between the databases. Indexes of
-- text are on the first characters only, {head}: PostgreSQL has no index rows of over 2,704 bytes.

-- version 1: no longer supported

-- version 2: no longer supported

-- version 3: no longer supported

-- version 4
-- patient: one for each distinct identity of patients, with the attributes of one of its studies.
CREATE TABLE patient (id {id}, key {blob} NOT NULL UNIQUE, {patient_columns});
-- study: unique by StudyInstanceUID and PatientID, which its key is a digest of. It has its own
-- patient attributes. `sources` says from which instance each value is, and `assigned` has the
-- patient attributes that it was assigned. Without a StudyInstanceUID it has no patient.
CREATE TABLE study (id {id}, key {blob} NOT NULL UNIQUE, patient BIGINT REFERENCES patient(id),
    sources {text} NOT NULL, assigned {text}, {patient_columns}, {study_columns});
-- series: unique by SeriesInstanceUID in its study.
CREATE TABLE series (id {id}, key {blob} NOT NULL UNIQUE,
    study BIGINT NOT NULL REFERENCES study(id), sources {text} NOT NULL, {series_columns});
-- header: the attributes above image level that instances of a series have in common, as in their
-- files. Most series have one header, so that an instance adds one row to one table.
CREATE TABLE header (id {id}, key {blob} NOT NULL UNIQUE,
    series BIGINT NOT NULL REFERENCES series(id), texts {text} NOT NULL);
CREATE TABLE instance (id {id}, header BIGINT NOT NULL REFERENCES header(id), {instance_columns},
    {file_columns}, UNIQUE (sop_instance_uid));
CREATE INDEX patient_by_id ON patient ({head:patient_id});
CREATE INDEX patient_by_name ON patient ({head:patient_name_key1});
CREATE INDEX study_by_patient ON study (patient);
CREATE INDEX study_by_patient_id ON study ({head:patient_id});
CREATE INDEX study_by_patient_name ON study ({head:patient_name_key1});
CREATE INDEX study_by_uid ON study ({head:study_instance_uid});
CREATE INDEX study_by_date ON study ({head:study_date_key1});
CREATE INDEX study_by_accession ON study ({head:accession_number});
CREATE INDEX series_by_uid ON series ({head:series_instance_uid});
CREATE INDEX series_by_study ON series (study);
CREATE INDEX header_by_series ON header (series);
CREATE INDEX instance_by_header ON instance (header, received);
CREATE INDEX instance_by_path ON instance (path);
CREATE TABLE assignment (key {blob} NOT NULL PRIMARY KEY, study_instance_uid {text} NOT NULL,
    patient {text}, at {real} NOT NULL);
CREATE TABLE conflict (id {id}, sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL,
    {file_columns}, at {real} NOT NULL, UNIQUE (holder, path));
CREATE INDEX conflict_by_uid ON conflict ({head:sop_instance_uid});
CREATE TABLE journal (seq {seq}, kind {text} NOT NULL, at {real} NOT NULL,
    sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL,
    study_instance_uid {text} NOT NULL, series_instance_uid {text} NOT NULL, {file_columns});
CREATE TABLE to_delete (holder {text} NOT NULL, path {text} NOT NULL, PRIMARY KEY (holder, path));
CREATE TABLE bucket (holder {text} NOT NULL, name {text} NOT NULL, changed BIGINT NOT NULL,
    PRIMARY KEY (holder, name));
-- rebuild: a reindex of a holder's files that was begun and has not ended.
CREATE TABLE rebuild (holder {text} NOT NULL PRIMARY KEY);


-- version 5
-- The numbers of the journal in PostgreSQL (journal_order.py), which SQLite counts by itself.
{postgres}CREATE TABLE journal_base (base BIGINT NOT NULL);
-- Gateways that share the index: where the others fetch their files, and when they were last alive.
-- `identity` is that of the data directory.
{postgres}CREATE TABLE gateway (holder {text} NOT NULL PRIMARY KEY, identity {text} NOT NULL,
    ae_title {text} NOT NULL, address {text} NOT NULL, port BIGINT NOT NULL, tls BIGINT NOT NULL,
    heartbeat {real} NOT NULL);
-- The oldest version whose program can use the tables as they are. A step that only adds leaves it.
CREATE TABLE readable_from (version BIGINT NOT NULL);
INSERT INTO readable_from VALUES (5);

-- version 6
-- hold: instances that a worker needs, so that they are not deleted; `owner` is a name of its choice.
CREATE TABLE hold (owner {text} NOT NULL, sop_instance_uid {text} NOT NULL, at {real} NOT NULL,
    PRIMARY KEY (owner, sop_instance_uid));
CREATE INDEX hold_by_uid ON hold ({head:sop_instance_uid});
-- journal_reader: how far those who read the journal are.
CREATE TABLE journal_reader (name {text} NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);

-- version 7
-- outbox: instances to be sent, one row for each destination. `due` is when a row may be taken: a
-- sender that takes it moves it into the future, so that a row whose sender died comes back.
CREATE TABLE outbox (id {id}, destination {text} NOT NULL, holder {text} NOT NULL,
    state {text} NOT NULL, priority BIGINT NOT NULL, due {real} NOT NULL, owner {text} NOT NULL,
    alternatives {text} NOT NULL, route {text} NOT NULL, attempts BIGINT NOT NULL,
    queued {real} NOT NULL, reason {text} NOT NULL, sop_instance_uid {text} NOT NULL,
    sop_class_uid {text} NOT NULL, study_instance_uid {text} NOT NULL,
    series_instance_uid {text} NOT NULL, transfer_syntax {text} NOT NULL, path {text} NOT NULL,
    start BIGINT NOT NULL, size BIGINT NOT NULL, digest {blob} NOT NULL, received {text} NOT NULL);
CREATE INDEX outbox_by_due ON outbox (destination, holder, state, priority, due, id);
CREATE INDEX outbox_by_study ON outbox ({head:study_instance_uid});
-- outbox_control: what an operator, or a sender of instances in their order, says of a destination.
CREATE TABLE outbox_control (destination {text} NOT NULL PRIMARY KEY, suspended BIGINT NOT NULL,
    owner {text} NOT NULL, until {real} NOT NULL);

-- version 8
-- step: performed procedure steps (MPPS), with their attributes in the DICOM JSON model.
CREATE TABLE step (uid {text} NOT NULL PRIMARY KEY, peer {text} NOT NULL, address {text} NOT NULL,
    created {real} NOT NULL, changed {real} NOT NULL, messages BIGINT NOT NULL,
    attributes {text} NOT NULL, size BIGINT NOT NULL);
CREATE INDEX step_by_peer ON step (address, peer, size);
CREATE INDEX step_by_change ON step (changed);
-- step_message: N-CREATEs and N-SETs to be passed on, in the order of `number` for each step.
CREATE TABLE step_message (id {id}, destination {text} NOT NULL, uid {text} NOT NULL,
    number BIGINT NOT NULL, operation {text} NOT NULL, attributes {text} NOT NULL,
    state {text} NOT NULL, queued {real} NOT NULL, due {real} NOT NULL, owner {text} NOT NULL,
    attempts BIGINT NOT NULL, reason {text} NOT NULL, UNIQUE (uid, destination, number));
CREATE INDEX step_message_by_due ON step_message (destination, state, due, id);

-- version 9
-- original: what was received of an instance that a transform has changed, and the file that is kept.
CREATE TABLE original (sop_instance_uid {text} NOT NULL, sop_class_uid {text} NOT NULL,
    transfer_syntax {text} NOT NULL, size BIGINT NOT NULL, digest {blob} NOT NULL,
    holder {text} NOT NULL, path {text} NOT NULL, PRIMARY KEY (sop_instance_uid, digest));
CREATE INDEX original_by_path ON original (path);
CREATE INDEX conflict_by_path ON conflict (path);

-- version 10
-- A route may have instances transformed: the workers that do so, and the UIDs that the destination got then. An earlier
-- version would send such rows as they are, so it cannot use these tables.
ALTER TABLE outbox ADD COLUMN transform {text} NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN sent_as {text} NOT NULL DEFAULT '';
UPDATE readable_from SET version = 10;

-- version 11
-- line_receiver: how far a receiver of lines of the journal is, and which process delivers to it.
CREATE TABLE line_receiver (name {text} NOT NULL PRIMARY KEY, seq BIGINT NOT NULL,
    owner {text} NOT NULL, until {real} NOT NULL);

-- version 12
-- object_store: which store the objects of the index are in. There is one row at most.
CREATE TABLE object_store (number BIGINT NOT NULL PRIMARY KEY, identity {text} NOT NULL,
    place {text} NOT NULL);

-- version 13
-- What is looked for among all rows of the outbox, however many others there are: the rows of a transaction of storage
-- commitment, and those that another destination may get.
CREATE INDEX outbox_asked ON outbox (owner) WHERE state = 'asked';
CREATE INDEX outbox_divertible ON outbox (destination, holder, priority, due, id)
    WHERE state = 'waiting' AND alternatives <> '';
