"""Speed, as ratios against peers in one run: `python -m bench`, or `python -m bench vendi`.

One file a race; each gives `Row`s of the same work done by us and by the peer, on the same data,
one after the other in turn. Ratios travel between machines, seconds do not.
"""
