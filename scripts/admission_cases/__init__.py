"""True and false proposals for `bench_admission.py`.

`plain` makes them of an instance's tree and gold patch. The other modules compose them of parts: a
subject (what one repository's code does), a way to give it (`carriers`), and a lie or an honest
habit. Every true one is true of the code, every false one is wrong by construction.
"""
