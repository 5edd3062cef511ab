"""Store and forward: stored instances go on to other AEs, as `[[routes]]` says.

    journal -> filling -> outbox (a table of the index) -> lanes -> destination
                                      ^                      |
                                      +------ outcomes ------+

`filling` reads the journal of the archive and puts a row into the outbox for each instance and
destination. Each destination has lanes: threads with an association each, which take rows, send
their instances and hand the outcomes to the recorder, which removes, delays or parks the rows.
"""
