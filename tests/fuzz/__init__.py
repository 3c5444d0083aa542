"""Fuzz: every parser is given bytes that nobody would write, and has to refuse them or to say what they are.

    target     what a target is, and what its functions are made of
    targets/   one module for each part of krust, one function for each parser
    corpus/    what each target begins with: a few real inputs, a few nasty ones, and all that was ever found
    one        fuzzes one target in a process of its own
    __main__   fuzzes them all; python -m tests.fuzz [SECONDS [TARGET...]]

The engine is atheris, libFuzzer for Python. It sees which branches of krust an input takes, and goes on from those that
take new ones: it writes a tar with a good checksum, or a challenge with a quoted field, by itself, and a hundred
million inputs in the time that hypothesis has for a hundred thousand. Hypothesis knows nothing of branches; it is for
what the other tests say of well-formed values. What atheris finds is not left to atheris: it comes into the corpus,
which pytest replays without it, and becomes a test beside the parser's others.
"""
