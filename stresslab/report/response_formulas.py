"""The formulas of shut desks and responses (M-145 to M-153) in a line each, in English and Chinese."""

from __future__ import annotations

#: Number, name in English and Chinese, what it says in English and Chinese.
RESPONSE_FORMULAS: tuple[tuple[int, str, str, str, str], ...] = (
    (145, "Shut desk", "停摆", "days on which nobody is called, and days on which nobody is sold; triggers act when the desk is open again",
     "若干日内不追缴或不平仓；恢复后首日按已有触发条件处置"),
    (146, "Compensation", "停摆赔付", "share × what the shares of an account below its line lost until the desk reopened; off its debt, "
     "borne by reserve, then own capital", "赔付比例 × 跌破平仓线账户的持股在停摆期间的跌价；抵减其负债，由风险准备金、再由自有资金承担"),
    (147, "Rules", "应对规则", "a reading of yesterday's close reaches its value: once on a path, before the open",
     "以前一日收盘已知的指标触发；每条路径至多一次，开盘前生效"),
    (148, "Raised lines", "提高各线", "warning, liquidation and restore line + bp", "警戒线、平仓线、恢复线各加若干基点"),
    (149, "Leverage cap", "杠杆上限", "warning line ≥ L / (L − 1), L = cap × σ* / σ where σ is above its target σ*",
     "警戒线 ≥ L / (L − 1)；σ 超过目标 σ* 时 L = 上限 × σ* / σ"),
    (150, "Batches, pauses, line", "分批、暂停、授信", "sales in batches, no sales for some days, or the bank line drawn early",
     "改为分批平仓、暂停平仓若干日，或提前动用授信"),
    (151, "Sold index", "卖出指数", "units × fall of the index each day, less discount, fees and carry; margin stands at the broker",
     "每日损益 = 单位数 × 指数跌幅，扣除贴水、费用与持有成本；保证金存于经纪商"),
    (152, "Puts", "认沽期权", "premium at once; worth units × (K − F)⁺, paid on the last day",
     "期初付权利金；价值 = 单位数 × (K − F)⁺，到期以现金收取"),
    (153, "Price of a put", "认沽期权定价", "Black and Scholes: k e^(−rT) Φ(−d₂) − Φ(−d₁)", "布莱克-斯科尔斯：k e^(−rT) Φ(−d₂) − Φ(−d₁)"),
)
