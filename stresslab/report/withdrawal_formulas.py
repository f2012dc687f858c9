"""The formulas of requests that are a path's own (M-130 to M-140) in a line each, in English and Chinese."""

from __future__ import annotations

#: Number, name in English and Chinese, what it says in English and Chinese.
WITHDRAWAL_FORMULAS: tuple[tuple[int, str, str, str, str], ...] = (
    (64, "Paths in groups", "成组路径", "where paths are mirrored or Sobol points, errors are those between groups",
     "镜像路径或Sobol点集时，误差按组间计算"),
    (130, "Drawn clients", "随机客户", "client groups ask in a drawn order until the share is met", "客户集团按随机次序申请，直至达到比例"),
    (131, "Gate", "赎回限额", "at most x% of claims falls due a day; the rest waits and is not due",
     "每日至多x%的债权到期；其余排队，不计为到期"),
    (132, "Wave", "挤兑潮",
     "probability of a day = base + what excites it, which fades by half in so many days; requests and news excite it",
     "每日概率 = 基准 + 激发项（按半衰期衰减）；赎回申请与消息使其上升"),
    (133, "News", "消息", "losses of own funds, a downgrade and unpaid redemptions raise the wave",
     "自有资金损失、降级与未兑付使挤兑潮上升"),
    (134, "Requests of the wave", "挤兑潮中的申请", "each client group asks with the wave's probability, for its part of what is left",
     "各客户集团以挤兑潮概率申请其余额的一部分"),
    (137, "Recall clauses", "收回条款", "a clause fires once, when yesterday's evening meets it; it passes through the layers in front",
     "前一日收盘满足条款时触发，每条至多一次；逐层向前传导"),
    (138, "Return of funding", "退还资金", "what is recalled is paid after redemptions by the same tiers; what is not ends in called loans",
     "收回的资金在兑付之后按同样顺序支付；不足部分转为提前收回融资"),
    (139, "Foreign money", "外资", "foreign claims and layers leave by a plan of their own once the market fell far enough",
     "市场跌幅达到设定后，外资债权与资金层按各自计划撤出"),
    (240, "Rates of exchange", "汇率",
     "funding in a currency that rises is more in yuan from that day on; own capital loses the difference",
     "以升值货币计价的资金自当日起折合更多人民币，差额由自有资金承担"),
    (140, "Downgrade on the path", "路径上的降级",
     "two grades down once own funds are below 15% of the day's margin call and no line covers the gap",
     "自有资金低于当日追缴额15%且授信不足以弥补缺口时下调两档，仅一次"),
)
