"""Numbers for a reader: rounded to some digits, without an exponent, and with what they count."""

from __future__ import annotations


def rounded(value: float, digits: int) -> str:
    """A number with this many significant digits and no exponent, as long as it is below a million.

    >>> rounded(126.4, 2), rounded(0.0451, 2)
    ('130', '0.045')
    """
    return f"{float(f'{value:.{digits}g}'):g}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "unit"), counted(1200, "unit")
    ('1 unit', '1,200 units')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
