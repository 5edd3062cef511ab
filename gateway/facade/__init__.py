"""pynetdicom's API over the gateway's own parts; README.md lists what differs.

`entity` has `AE`, `association` the `Association` that `AE.associate` returns, `server` the
`AssociationServer` of `AE.start_server`. `sop_class`, `status`, `presentation`, `pdu_primitives`,
`service_class` and `config_flags` are public as `gateway.sop_class` and so on.

Nothing is imported here: `gateway.sop_class` alone must not load pydicom.
"""
