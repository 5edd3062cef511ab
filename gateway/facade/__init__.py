"""pynetdicom's API over the gateway's own parts; README.md lists what differs.

`entity` has `AE`, `association` the `Association` that `AE.associate` returns, `association_server`
the `AssociationServer` of `AE.start_server`. Modules that pynetdicom has are public by its names:

    gateway.sop_class         sop_classes               UIDs by keyword
    gateway.status            status_codes              status codes and their tables
    gateway.presentation      presentation_contexts     contexts to propose and support
    gateway.pdu_primitives    negotiation_items         items of `ext_neg`
    gateway.service_class     service_classes           arguments of `register_uid`
    gateway.config_flags      flags                     options to assign, also gateway._config
    gateway.ae                entity                    AE

Nothing is imported here: `gateway.sop_class` alone must not load pydicom.
"""
