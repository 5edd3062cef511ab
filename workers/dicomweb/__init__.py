"""DICOMweb (PS3.18): STOW-RS, QIDO-RS and WADO-RS on the archive.

    dicomweb_worker   the worker: settings, server, start and stop
    guard             who is let in, and errors as responses
    media             which representation a client accepts
    qido              searches
    wado              instances, metadata, frames, bulk data
    stow              instances that arrive
    own_gateway       associations with this gateway, on which they are stored
    archive_reader    files of instances, also those that other gateways have
    json_model        data sets in the DICOM JSON model and the Native DICOM model
    bulk_values       long values, and parts of them
    pixel_frames      pixel data frame by frame, and rendered
    parts             multipart bodies, read and written
    viewer            a page with the thumbnails of a study

Only `pixel_frames` and `parts` need the packages of the extra `dicomweb`.
"""
