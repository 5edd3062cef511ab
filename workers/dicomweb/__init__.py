"""DICOMweb (PS3.18): STOW-RS, QIDO-RS and WADO-RS on the archive.

dicomweb_worker   the worker: settings, server, start and stop
guard             who is let in, and errors as responses
media             which representation a client accepts
qido              searches
wado              instances, metadata, frames, bulk data
stow              instances that arrive
archive_reader    files of instances, also those that other gateways have
json_model        data sets in the DICOM JSON model and the Native DICOM model
frames            pixel data frame by frame, and rendered
parts             multipart bodies, read and written
"""
