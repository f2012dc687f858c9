"""The formulas of contracts, leverage and liquidity (M-110 to M-122) in a line each, in English and Chinese."""

from __future__ import annotations

#: Number, name in English and Chinese, what it says in English and Chinese.
BOOK_FORMULAS: tuple[tuple[int, str, str, str, str], ...] = (
    (110, "Profit shares", "盈亏分配",
     "fixed split of profit; performance fee on equity above the high-water mark; guarantee that bears a part of the loss; "
     "interest on the debt or on the exposure",
     "固定分成；超过高水位部分的业绩分成；保本并分担亏损；利息按负债或按总敞口计"),
    (111, "Settlement", "结算", "proceeds = to the lender + to the platform + to the client, to the last 0.001 yuan",
     "变现所得 = 出借方 + 平台 + 客户，精确到厘"),
    (112, "Risk fee", "浮动风险费", "the addition of the last step that leverage increases and turnover reach",
     "按加杠杆次数与换手所达档位加收"),
    (113, "Leverage policy", "杠杆政策", "the least of base × σ* / σ̂, the leverage that keeps the line away, and the cap",
     "取以下三者最小：基准杠杆 × σ* / σ̂、远离平仓线的杠杆、杠杆上限"),
    (114, "Risk budget", "风险预算", "largest order, one-day 95% loss and stop-loss as shares of own money",
     "单笔限额、单日95%损失与止损，均占自有本金"),
    (115, "Suitability", "适当性", "the grade that leverage and investor type need; an assessment that is too old counts as missing",
     "按杠杆与投资者类别所需的风险等级；过期评估视同无评估"),
    (116, "Life of a contract", "合同状态", "which state may follow which, and what a state says of debt and shares",
     "状态的先后关系，以及各状态对负债与持股的要求"),
    (117, "Scenario loss", "情景损失", "A, A / D, call, forced sale, equity and deficit after a fall of all prices, before and after costs",
     "全部价格下跌后的 A、A / D、追缴额、平仓额、剩余权益与穿仓额，计费用前后"),
    (118, "Coverage", "流动性覆盖", "liquid assets / what falls due; outflow − min(inflow, 75% of outflow); tiers pay in order",
     "流动资产 / 到期债务；流出 − min(流入, 流出的75%)；按层级依次支付"),
    (119, "Concentration", "集中度", "share of the n largest; HHI = Σ share²; equal-sized number = 1 / HHI",
     "前 n 大占比；HHI = Σ 占比²；等效数目 = 1 / HHI"),
    (120, "Maturity ladder", "期限阶梯",
     "cumulative assets less liabilities by days; survival: the last day that liquid assets cover net outflows so far",
     "按天数累计资产减负债；存续天数：流动资产可覆盖累计净流出的最后一日"),
    (121, "Capital and lights", "资本与灯号", "own capital / Σ loans × weight; amber and red lines of a limits file",
     "自有资金 / Σ 贷款 × 权重；限额文件的黄灯线与红灯线"),
    (122, "Runs in closed form", "挤兑闭式解", "(1 − f r₁) R / (1 − f) for those who wait; r c / (1 − r) lost by those who stay",
     "等待者所得 (1 − f r₁) R / (1 − f)；留存者损失 r c / (1 − r)"),
)
