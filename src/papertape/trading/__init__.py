"""Trading on the machine's own clock: on paper, and the gate to what is real."""
