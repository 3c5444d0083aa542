"""`krust://` references in the YAML and JSON of Kubernetes, and what they become.

    files      what -f names, in order            text      a file's bytes as characters, and back
    events     the parser's events, with places   find      the references, and where they stand
    package    what a reference says              locate    which package of the project it means
    splice     images in, the rest byte for byte  same      two texts that say the same, but for ...
    keep       editing in place: the reference is kept as a comment, and found again
    selector   Kubernetes' label selectors        choose    the documents that -l leaves out
    join       several texts as one               lock      which image each reference became
    kubectl    the program that gets it           rewrite   several files in place, all or none
    spool      texts that were read, on disk      pod       an image, run in a cluster

The last four have effects, and files reads; the others do neither.

Positions are indexes of characters in `Text.characters`, counted from 0; bytes, lines and columns are for people and
files, and `Text` alone makes them. No module here imports yaml before it has something to parse.
"""
