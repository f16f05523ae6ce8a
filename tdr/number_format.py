"""How numbers are written in pictures and beside them."""


def format_number(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def format_decade(exponent: int) -> str:
    """A power of ten: ``10⁻³``."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def spread_decades(low: int, high: int) -> range:
    """At most six exponents at even distances, to label an axis: from ``low`` or below it to ``high``."""
    step = -(-(high - low) // 5)
    return range(high, low - step, -step)[::-1]
