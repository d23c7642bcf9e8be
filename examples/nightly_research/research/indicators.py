"""Technical indicators of one stock: expressions over its rows in the order of their dates.

Values appear as soon as there is enough history for them, and are null before.
"""

import polars as pl

CLOSE = pl.col("Close")


def wilder(values: pl.Expr, n: int) -> pl.Expr:
    """Wilder's smoothing: the mean of the first n values; each later one then counts 1/n."""
    seen = values.is_not_null().cum_sum()
    seeded = pl.when(seen == n).then(values.rolling_mean(n)).when(seen > n).then(values)
    return seeded.ewm_mean(alpha=1 / n, adjust=False)


def ema(values: pl.Expr, n: int) -> pl.Expr:
    """Exponential moving average with a span of n, from the first value on; shown after n of them."""
    return values.ewm_mean(span=n, adjust=False, min_samples=n)


def rsi(n: int = 14) -> pl.Expr:
    """Relative strength index, 0 to 100; 50 where nothing has moved."""
    change = CLOSE.diff()
    up, down = wilder(change.clip(lower_bound=0), n), wilder((-change).clip(lower_bound=0), n)
    return (100 * up / (up + down)).fill_nan(50)


def atr(n: int = 14) -> pl.Expr:
    """Average true range, in currency."""
    before = CLOSE.shift(1)
    reach = pl.max_horizontal(
        pl.col("High") - pl.col("Low"), (pl.col("High") - before).abs(), (pl.col("Low") - before).abs()
    )
    return wilder(pl.when(before.is_not_null()).then(reach), n)


def bollinger(n: int = 20, width: float = 2) -> list[pl.Expr]:
    """Band_Low, Band_Mid, Band_High: the mean, and so many standard deviations (of all n) around it."""
    mid, spread = CLOSE.rolling_mean(n), CLOSE.rolling_std(n, ddof=0) * width
    return [(mid - spread).alias("Band_Low"), mid.alias("Band_Mid"), (mid + spread).alias("Band_High")]


def technical(prices: pl.DataFrame) -> pl.DataFrame:
    """Adjusted prices of one stock with its indicators."""
    macd = ema(CLOSE, 12) - ema(CLOSE, 26)
    return prices.with_columns(
        *[CLOSE.rolling_mean(n).alias(f"SMA_{n}") for n in (20, 50, 200)],
        macd.alias("MACD"),
        rsi().alias("RSI"),
        atr().alias("ATR"),
        *bollinger(),
        (CLOSE.shift(21) / CLOSE.shift(252) - 1).alias("Momentum"),
    ).with_columns(ema(pl.col("MACD"), 9).alias("MACD_Signal"))
