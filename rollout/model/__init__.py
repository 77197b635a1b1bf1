"""What the tool thinks in: frozen records, the tables of the state machine, effects. No I/O, no time, no chance."""
