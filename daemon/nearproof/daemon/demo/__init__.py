"""`nearproof demo`: the real programs, each in its own process, played in front of one person.

stage      the processes: backend, air, two laptops with a home each
people     who types what, and their phone
audience   how the person is told
story      the ceremony as it should go
attacks    each attacker of the protocol against the same programs
"""
