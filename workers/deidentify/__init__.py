"""De-identification by PS3.15 annex E: of instances on their way in, on a route, and of files.

    deidentifier      `deidentify`: a data set by a profile
    profile           the options of the profile, and the rules of a site
    profile_options   the options of `[workers.deidentify]`, checked, as a profile
    action_table      Table E.1-1 of PS3.15, and what applies to an attribute
    iod_types         whether an IOD demands a value, for the actions that depend on it
    replacements      the values that stand in place of others
    keyed             UIDs, dates and patient identifiers by a keyed function
    clean_text        Clean Descriptors: free text by a vocabulary
    clean_content     Clean Structured Content and Clean Graphics
    key_files         the key, in a file of mode 0600
    declaration       what a de-identified data set says of itself
    element_walk      the walk over the elements, each of which gets its action
    private_elements  Retain Safe Private: which private elements are safe
    pixel_areas       Clean Pixel Data: areas that are blackened, by rules

README.md says what is done, and why no library does it.
"""
