"""For tests of people's own programs: a pytest fixture and Hypothesis strategies.

pytest finds the fixture `sim_network` by itself once papertape is installed. The strategies stand in `papertape.testing.strategies`.
"""
