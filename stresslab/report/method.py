"""The formulas of ``docs/method.md`` in a line each, and the glossary, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass

from stresslab.report.method_book import BOOK_FORMULAS
from stresslab.report.phrase import Phrase
from stresslab.report.response_formulas import RESPONSE_FORMULAS
from stresslab.report.withdrawal_formulas import WITHDRAWAL_FORMULAS


@dataclass(frozen=True)
class Formula:
    """One numbered formula of the method: its name and what it says."""

    number: str
    name: Phrase
    text: Phrase


def _f(number: int, name_en: str, name_zh: str, en: str, zh: str) -> Formula:
    return Formula(f"M-{number}", Phrase(name_en, name_zh), Phrase(en, zh))


_LIST = (
    _f(
        1,
        "Units",
        "单位",
        "money in integer 0.001 yuan; prices in ticks; shares integer; lines and rates in 0.01%",
        "金额为整数厘（0.001元），价格为最小价位的整数倍，股数为整数，比率为整数基点",
    ),
    _f(
        2,
        "Bounds",
        "界限",
        "a book beyond the 64-bit bounds is refused",
        "超出64位整数界限的账簿不予受理",
    ),
    _f(
        3,
        "Account",
        "账户",
        "A = cash + Σ shares × price; E = A − D; maintenance ratio m = A / D; leverage L = A / E",
        "A = 现金 + Σ 股数 × 价格；E = A − D；维持担保比例 m = A / D；杠杆倍数 L = A / E",
    ),
    _f(
        4,
        "Calendar",
        "日历",
        "trading day t is calendar day ⌊(t × 365 × 2 + 252) / 504⌋ after the book's date",
        "第 t 个交易日 = 账簿日之后第 ⌊(t × 365 × 2 + 252) / 504⌋ 个自然日",
    ),
    _f(
        5,
        "Counters",
        "计数器",
        "Philox 4x32-10, keyed by the seed, counted by (slot, day, stream, path): all scenarios "
        "meet the same draws",
        "Philox 4x32-10：密钥为种子，计数为（槽位、日、流、路径）；各情景使用同一组随机数",
    ),
    _f(
        6,
        "Normals",
        "正态数",
        "factors by inversion (AS 241), own noise by Box-Muller",
        "因子用反函数法（AS 241），个股噪声用 Box-Muller 法",
    ),
    _f(
        7,
        "Fundamental price",
        "基本面价格",
        "price × exp(β F + λ G + H − ρ Δr): no price limit, no impact",
        "价格 × exp(β F + λ G + H − ρ Δr)：不受涨跌停限制，不含冲击",
    ),
    _f(
        8,
        "Factor steps",
        "因子步长",
        "daily steps are normal with volatility σ / √252 times the scenario's multiplier, drift μ / 252",
        "日步长为正态，波动率 σ / √252 乘以情景倍数，漂移 μ / 252",
    ),
    _f(
        9,
        "Crash",
        "暴跌",
        "the market factor equals 1 − d on the trough day, exactly; gap, ramp or bridge before it",
        "市场因子在谷底日恰为 1 − d；此前为跳空、斜坡或布朗桥",
    ),
    _f(
        10,
        "Model without noise",
        "无噪声模型",
        "F, G and H move only as the crash says",
        "F、G、H 只按暴跌设定变动",
    ),
    _f(
        11,
        "Repricing",
        "重定价",
        "floating loans pay rate + Δr after notice, up to their cap; floating funding takes Δr at each reset",
        "浮动利率融资在通知期后按 利率 + Δr 计息，不超过上限；浮动利率资金在每个重定价日取当时的 Δr",
    ),
    _f(
        12,
        "Interest of a day",
        "日利息",
        "⌊(B × r × n + carry) / 3,650,000⌋ for n calendar days",
        "⌊(B × r × n + 余数) / 3,650,000⌋，n 为自然日数",
    ),
    _f(
        13,
        "Price limits",
        "涨跌停",
        "yesterday's close × (1 ± limit), rounded half up to the tick",
        "昨收 ×（1 ± 涨跌幅限制），四舍五入到最小价位",
    ),
    _f(
        14,
        "Quoted price",
        "报价",
        "fundamental × what past impact has left, clipped to the limits",
        "基本面价格 × 冲击剩余，限制在涨跌停之内",
    ),
    _f(
        15,
        "Locked",
        "封死跌停",
        "at the lower limit nobody buys: capacity 0; else turnover × participation",
        "价格在跌停价时无人买入，容量为0；否则容量为日均成交量 × 参与率",
    ),
    _f(
        16,
        "Redemption requests",
        "兑付申请",
        "⌊share × redeemable claims⌋, by the largest client groups or pro rata, due after notice",
        "⌊比例 × 可兑付债权⌋，由最大客户集团或按比例提出，通知期后到期",
    ),
    _f(
        17,
        "Payment",
        "支付",
        "from cash, then the liquid pool less its haircut, then a committed bank line",
        "依次动用现金、流动性资产池（扣折价）、承诺授信",
    ),
    _f(
        18,
        "Called loans",
        "提前收回融资",
        "a shortfall s calls ⌈s × D / ΣD⌉ of every loan",
        "缺口 s 对每笔融资收回 ⌈s × D / ΣD⌉",
    ),
    _f(
        19,
        "Daily measures",
        "每日指标",
        "margin call Σ (w D − A)⁺; coverage Σ min(A, l D) / Σ l D",
        "追缴额 Σ (w D − A)⁺；覆盖率 Σ min(A, l D) / Σ l D",
    ),
    _f(
        20,
        "Calls and answers",
        "追缴与补足",
        "called when A < w D; the client pays in full within the grace days or not at all",
        "A < w D 时追缴；客户在宽限期内全额补足，或完全不补",
    ),
    _f(
        21,
        "Triggers of a forced sale",
        "强平触发",
        "A < l D, an overdue call, a recall or run-off; sold until A / D is back at the restore line, at least the smallest sale",
        "A < l D、追缴逾期、提前收回或清盘；卖至 A / D 回到恢复线，且不少于最小卖出额",
    ),
    _f(
        22,
        "Orders",
        "委托",
        "pro rata over what may be sold, or in a sequence: most liquid, largest, most volatile, largest loss first; whole lots",
        "按可卖市值比例分配，或依次卖出：流动性最好、市值最大、波动最大、亏损最大者在先；向上取整到手",
    ),
    _f(
        23,
        "Fills",
        "成交",
        "demand beyond the day's capacity is filled pro rata; the rest lapses",
        "需求超过当日容量时按比例成交，余者作废",
    ),
    _f(
        24,
        "Impact",
        "价格冲击",
        "of the day's quantity Q beyond the natural buyers: sqrt Y σ √(Q / V); linear Q σ / (c V); exponential towards a floor; "
        "almgren Y (I + K); a part is permanent, the rest decays",
        "Q 为当日卖出量减自然买盘：平方根 Y σ √(Q / V)；线性 Q σ / (c V)；指数，趋于下限；almgren Y (I + K)；一部分永久，其余衰减",
    ),
    _f(
        25,
        "Money of a sale",
        "卖出资金",
        "paid at the mean of the price before and after; costs leave; the net repays debt",
        "按前后价格的均价成交，扣除费用，净额偿还负债",
    ),
    _f(
        26,
        "Deficit",
        "穿仓额",
        "debt left of an account that has no shares left",
        "账户已无持股而仍有的负债",
    ),
    _f(
        27,
        "Waterfall",
        "损失分担顺序",
        "reserve, own capital, junior funders, senior funders, clients",
        "风险准备金、自有资金、劣后资金方、优先资金方、客户，依次承担",
    ),
    _f(
        28,
        "Failure",
        "失败",
        "reserve + own capital ≤ 0 at a close, or a redemption unpaid past its grace",
        "收盘时 风险准备金 + 自有资金 ≤ 0，或兑付逾期超过宽限",
    ),
    _f(
        29,
        "Balance",
        "平衡",
        "assets equal claims, funding and own funds every evening, to the last 0.001 yuan",
        "每晚资产与负债、自有资金相等，分毫不差",
    ),
    _f(
        30,
        "Three columns",
        "三栏损失",
        "loss = deficits + holes at the end, at fundamental prices: holding; selling without impact; "
        "selling with impact",
        "损失 = 穿仓额 + 期末缺口（按基本面价格）：持有不平仓；无冲击平仓；有冲击平仓",
    ),
    _f(
        31,
        "Margin call",
        "追缴额",
        "Σ (warning line × D − A)⁺ on its highest day; issued; unanswered",
        "Σ (警戒线 × D − A)⁺ 的最高日；发出总额；未补足额",
    ),
    _f(
        32,
        "Margin coverage",
        "保证金覆盖率",
        "Σ min(A, l D) / Σ l D on its lowest day",
        "Σ min(A, l D) / Σ l D 的最低日",
    ),
    _f(
        33,
        "Own-funds coverage",
        "自有资金覆盖率",
        "(reserve + own capital before) / peak margin call; passed where there is no call",
        "事前（风险准备金 + 自有资金）/ 追缴额峰值；无追缴即为通过",
    ),
    _f(
        34,
        "Own-funds absorption",
        "自有资金吸收率",
        "deficit absorbed by reserve and own capital / deficit",
        "风险准备金与自有资金吸收的穿仓额 / 穿仓额",
    ),
    _f(
        35,
        "Forced-sale rate",
        "强平触发率",
        "accounts that had to order a sale / accounts with debt at the start",
        "被强平账户数 / 期初有负债账户数",
    ),
    _f(
        36,
        "First days",
        "首次发生日",
        "first unpaid redemption; first day without own funds; counted to the last day only",
        "首次未兑付日；自有资金首次耗尽日；只计至期末",
    ),
    _f(
        37,
        "Deficit not yet realised",
        "未实现穿仓额",
        "holes of open accounts at the end, at fundamental prices less costs",
        "期末未平账户的缺口，按基本面价格扣除费用",
    ),
    _f(
        38,
        "Mean and probability",
        "均值与概率",
        "mean: error s / √n; probability k / n: error √(p (1 − p) / n), Wilson 95%",
        "均值误差 s / √n；概率 k / n，误差 √(p (1 − p) / n)，Wilson 95% 区间",
    ),
    _f(
        39,
        "Quantile",
        "分位数",
        "the order statistic x(⌈q n⌉), interval by binomial ranks",
        "次序统计量 x(⌈q n⌉)，区间由二项秩给出",
    ),
    _f(40, "Tail mean", "尾部均值", "mean of the ⌈0.05 n⌉ largest", "最大的 ⌈0.05 n⌉ 个的均值"),
    _f(
        41,
        "Survival curve",
        "存活曲线",
        "share of paths not yet failed at the close of day t",
        "第 t 日收盘时尚未失败的路径占比",
    ),
    _f(
        42,
        "Score and grade",
        "评分与评级",
        "Σ weight × dimension score / 100; AAA ≥ 90, AA ≥ 75, A ≥ 60, else B",
        "Σ 权重 × 维度得分 / 100；AAA ≥ 90，AA ≥ 75，A ≥ 60，其余为 B",
    ),
    _f(
        43,
        "Two grades down",
        "降两级",
        "own-funds coverage below 15% in the deciding crash, and no bank line at least as large as the gap",
        "在决定性暴跌情景中自有资金覆盖率低于15%，且无足额即时授信",
    ),
    _f(
        44,
        "Closed",
        "停牌",
        "suspended by the book, by the scenario or by a draw, or the whole market halted: no price, no sale",
        "账簿停牌、情景停牌、随机停牌或全市场停市：无报价，不可卖出",
    ),
    _f(
        45,
        "Circuit breaker",
        "指数熔断",
        "a fall of the index of all collateral by the level since yesterday's closes ends selling for the day",
        "担保物指数较昨收跌幅达到阈值，当日停止卖出",
    ),
    _f(
        46,
        "Natural buyers",
        "自然买盘",
        "take the first shares of a day without impact; fewer the further the market has fallen",
        "先行承接当日卖出而不影响价格；市场跌得越深，买盘越少",
    ),
    _f(
        47,
        "Batches",
        "分批平仓",
        "batch j of n orders ⌈v / (n − j + 1)⌉, one batch a day; one batch is dumping",
        "第 j 批（共 n 批）委托 ⌈v / (n − j + 1)⌉，每日一批；一批即一次抛出",
    ),
    _f(
        48,
        "Displaced sales",
        "被转移的卖出",
        "what an account sells of a share beyond its own part, because another one could not be sold",
        "账户因其他股票无法卖出而超出应卖部分多卖的股票",
    ),
    _f(
        49,
        "Stricter margins for a sector",
        "行业加严担保",
        "single-name cap, addition to the lines and premium on the rate, by the share of the sector in the collateral",
        "按该行业在担保物中的占比：单只上限、警戒线等加点、利率加点",
    ),
    _f(
        50,
        "Paired difference",
        "配对差额",
        "mean of the differences on the same paths, error of a mean of differences; better and worse paths are counted",
        "同一路径上差额的均值，误差为差额均值的误差；并计更好与更差的路径数",
    ),
    _f(
        51,
        "Ratio of sums",
        "合计之比",
        "R = Σ y / Σ x over paths; error √(m / (m − 1) Σ (y − R x)²) / Σ x over the m paths with x ≠ 0",
        "R = Σ y / Σ x（对路径求和）；误差 √(m / (m − 1) Σ (y − R x)²) / Σ x，m 为 x ≠ 0 的路径数",
    ),
    _f(
        75,
        "Move of rates",
        "利率变动",
        "Δr = the scenario's shock (parallel, ramp, twist by tenor, or a path by day) + the drawn short rate's own move, in whole bp",
        "Δr = 情景冲击（平行、斜坡、按期限扭转或逐日路径）+ 抽取的短期利率自身变动，取整至 1 个基点",
    ),
    _f(
        77,
        "Vasicek",
        "Vasicek 模型",
        "dr = a (b − r) dt + σ dW, exact daily steps",
        "dr = a (b − r) dt + σ dW，逐日精确转移",
    ),
    _f(
        78,
        "Cox, Ingersoll and Ross",
        "CIR 模型",
        "dr = a (b − r) dt + σ √r dW, daily steps of exact mean and variance that are never negative",
        "dr = a (b − r) dt + σ √r dW，逐日转移的均值与方差精确，利率不为负",
    ),
    _f(
        79,
        "Hull and White",
        "Hull-White 模型",
        "as Vasicek, about α(t) = f(t) + σ² / 2a² (1 − e^(−at))², which prices the curve of the book's date",
        "同 Vasicek，围绕 α(t) = f(t) + σ² / 2a² (1 − e^(−at))²，与账簿日收益率曲线一致",
    ),
    _f(
        84,
        "Tilted paths",
        "倾斜路径",
        "the means of some normals are shifted; each path carries its likelihood ratio, never above 10 as one path in ten is not shifted",
        "平移部分正态变量的均值；每条路径带有似然比，因每十条中有一条不平移，似然比不超过10",
    ),
    _f(
        89,
        "Multilevel splitting",
        "多层分裂",
        "product of the shares of paths above levels that were fixed before; mean of independent repetitions, unbiased",
        "各预设水平以上路径占比之积；取独立重复的均值，无偏",
    ),
    _f(
        91,
        "Interval of a small probability",
        "小概率的区间",
        "exp(ln p ± t × error / p), t of Student's law, with fewer degrees of freedom the more a few paths weigh",
        "exp(ln p ± t × 误差 / p)，t 取学生分布，少数路径权重越大自由度越小",
    ),
    _f(
        92,
        "Verdict on a rare event",
        "罕见事件的结论",
        "shown only if weights, likelihood ratios and a second method pass their checks; otherwise it is not known",
        "仅当权重、似然比与第二种方法均通过校验时给出，否则为未知",
    ),
    _f(100, "Look-through",
       "资金池穿透", "each portion of funding belongs to the last funder of its chain; through a platform, to that platform's pool in "
       "proportion (linear equations in fractions)",
       "每份资金归于其链条最末的出资方；经由平台的，按该平台资金池比例归属（分数线性方程组）"),
    _f(101, "Tenor ladder", "期限阶梯", "liquid money + loans − funding − claims, cumulative; "
       "funding looked through is as short as the shortest link of its chain",
       "流动性资产 + 融资 − 资金 − 债权的累计；穿透后资金期限取链条中最短者"),
    _f(102, "Recalls", "提前收回", "a layer gives back the larger of its own recalled share and what is taken from behind it; "
       "layers beside one another add up",
       "一层收回额取其自身收回份额与其后各层收回额之较大者；并列各层相加"),
    _f(103, "Concentration", "集中度", "largest, top 5 and HHI = 10⁴ Σ share² of ultimate sources",
       "最终来源的最大一家、前五家与 HHI = 10⁴ Σ 占比²"),
    _f(104, "Breaches", "超限", "a finding beyond its limit in the file of limits, compared exactly",
       "超出限额文件所列限额即为超限，按精确值比较"),
    _f(105, "Chains", "资金链", "about the same amount handed on within some days: round trips, layering, "
       "client money that reaches the platform or a related party",
       "近似金额在数日内逐手转移：回流、多手转移、客户资金流向平台或关联方"),
    _f(106, "Structuring", "化整为零", "several payments just below a reporting threshold within some days, more than at or above it",
       "数日内多笔略低于报告线的付款，且多于等于或高于报告线者"),
    _f(107, "Outliers", "异常付款", "robust z of log amounts against the party's own earlier payments: 0.6745 (x − median) / MAD",
       "对数金额相对该方以往付款的稳健z值：0.6745 (x − 中位数) / MAD"),
    _f(108, "Clearing", "清算", "the greatest p with p = p̄ where e + paid in ≥ p̄, else α e + β paid in, by seniority and pro rata",
       "最大的 p：若 e + 收入 ≥ p̄ 则 p = p̄，否则 α e + β 收入，按优先级、同级按比例"),
    _f(109, "Who brings down whom", "谁拖垮谁", "each party in turn loses its outside assets; losses are what the others are paid less",
       "依次假设一方失去外部资产，损失为其他各方少收的金额"),
)

FORMULAS: dict[str, Formula] = {
    f.number: f for f in (*_LIST, *(_f(*row) for row in (*BOOK_FORMULAS, *WITHDRAWAL_FORMULAS, *RESPONSE_FORMULAS)))}

#: Word, then what it means here.
GLOSSARY: tuple[tuple[Phrase, Phrase], ...] = (
    (
        Phrase("account", "账户"),
        Phrase("one client's loan with the collateral behind it", "一位客户的融资及其担保物"),
    ),
    (
        Phrase("collateral, A", "担保物"),
        Phrase("cash plus shares at their price", "现金加按价格计的股票"),
    ),
    (Phrase("debt, D", "负债"), Phrase("principal and accrued interest", "本金与应计利息")),
    (Phrase("equity, E", "权益"), Phrase("collateral less debt", "担保物减负债")),
    (Phrase("maintenance ratio, m", "维持担保比例"), Phrase("collateral / debt", "担保物 / 负债")),
    (Phrase("leverage, L", "杠杆倍数"), Phrase("collateral / equity", "担保物 / 权益")),
    (
        Phrase("financing multiple", "配资比例"),
        Phrase("debt / equity, which is leverage less one", "负债 / 权益，即杠杆倍数减一"),
    ),
    (
        Phrase("warning line", "警戒线"),
        Phrase(
            "a maintenance ratio strictly below it calls for margin", "维持担保比例低于此线即追缴"
        ),
    ),
    (
        Phrase("liquidation line", "平仓线"),
        Phrase(
            "a maintenance ratio strictly below it forces a sale", "维持担保比例低于此线即强制平仓"
        ),
    ),
    (
        Phrase("restore line", "恢复线"),
        Phrase("the ratio that a partial forced sale brings back", "部分平仓须恢复到的比例"),
    ),
    (
        Phrase("margin call", "追缴额"),
        Phrase(
            "warning line × debt − collateral, where positive", "警戒线 × 负债 − 担保物，取正值"
        ),
    ),
    (
        Phrase("forced sale", "强制平仓"),
        Phrase("collateral sold by the platform to repay the loan", "平台卖出担保物以偿还融资"),
    ),
    (
        Phrase("deficit", "穿仓"),
        Phrase("debt left when the collateral is gone", "担保物耗尽后仍未偿还的负债"),
    ),
    (Phrase("redemption", "兑付（赎回）"), Phrase("money that clients take out", "客户取出的资金")),
    (
        Phrase("withdrawal wave", "挤兑"),
        Phrase("redemption that feeds on itself", "自我加剧的兑付"),
    ),
    (
        Phrase("reserve, own capital", "风险准备金、自有资金"),
        Phrase("the first and second layer that absorb deficits", "吸收穿仓的第一层与第二层"),
    ),
    (
        Phrase("own funds", "自有资金合计"),
        Phrase("reserve plus own capital", "风险准备金加自有资金"),
    ),
    (Phrase("funder", "资金方"), Phrase("who lends to the platform", "向平台出资者")),
    (
        Phrase("look-through", "资金池穿透"),
        Phrase(
            "following nested funding to who really stands behind it", "沿嵌套资金追溯至最终出资者"
        ),
    ),
    (
        Phrase("spillover", "外溢"),
        Phrase("loss or unpaid redemption that leaves the platform", "传到平台之外的损失或未兑付"),
    ),
    (
        Phrase("displaced sale", "被转移的卖出"),
        Phrase(
            "sold of one share because another one of the account is locked, closed or rationed",
            "因账户内另一只股票封死跌停、停牌或额度用尽而卖出的股票",
        ),
    ),
    (
        Phrase("dumping, batches", "一次抛出、分批"),
        Phrase("a sale is ordered at once, or in parts on several days", "平仓一次委托，或分数日委托"),
    ),
    (
        Phrase("opposing flow", "对手盘"),
        Phrase(
            "who buys: at most a share of usual turnover, the natural buyers first",
            "买方：至多为日均成交量的一定比例，自然买盘在先",
        ),
    ),
    (Phrase("path", "路径"), Phrase("one simulated future", "一次模拟的未来")),
    (
        Phrase("given scenario …", "给定情景 ……"),
        Phrase(
            "true if the scenario happens; says nothing of how likely that is",
            "以情景发生为前提；不涉及其发生的可能性",
        ),
    ),
)

#: What the model leaves out, as facts.
LIMITS: tuple[Phrase, ...] = (
    Phrase(
        "On a path each platform has one layer of direct funding in a waterfall; nested funding, recalls and debts between platforms "
        "are read from the book as it stands (M-100 to M-109) and not simulated.",
        "路径模拟中每个平台只计一层直接资金；嵌套资金、提前收回与平台之间的债务仅按账簿静态分析（M-100 至 M-109），不作模拟。",
    ),
    Phrase(
        "Withdrawals of account equity are not simulated; free cash and investors' money are.",
        "不模拟账户权益的提取；自由现金与投资者资金的兑付予以模拟。",
    ),
    Phrase(
        "A crash is one of three events, as each scenario says: the factor's level on the trough day (terminal), its lowest close "
        "of the run (minimum), or its fall from the running peak (drawdown). The same depth is not equally likely under them.",
        "暴跌为三种事件之一，由各情景说明：谷底日水平（终点）、全程最低收盘（最低点）或自前期高点的跌幅（回撤）。同一深度在三种定义下可能性不同。",
    ),
    Phrase(
        "Natural buyers and the turnover that takes forced sales are assumptions of the scenario: no other seller and no trader who "
        "reacts is simulated.",
        "自然买盘与可承接强平的成交量为情景假设；不模拟其他卖方，也不模拟会作出反应的交易者。",
    ),
    Phrase(
        "Between jumps, regimes and variances that move, a day of the factor is Gaussian or Student-t, and so is own noise. "
        "The book is static: no new loans, no voluntary repayments, no action by the platform beyond its contracts.",
        "除跳跃、状态与波动变化外，因子与个股噪声单日为正态或 Student-t 分布。账簿静态：无新增融资，无主动还款，平台除合同外不采取行动。",
    ),
    Phrase(
        "Clients answer a margin call in full or not at all; recourse against a client after a deficit is zero.",
        "客户对追缴要么全额补足，要么不补；穿仓后对客户的追偿为零。",
    ),
    Phrase(
        "The sampling errors cover the dice only. The impact law, turnover and clients' answers are "
        "assumptions, and a change in them can move a result by more than the error shown.",
        "抽样误差只反映随机性。冲击规律、成交量与客户补足均为假设，其变动对结果的影响可能大于所示误差。",
    ),
    Phrase(
        "All figures of a scenario hold given that scenario. No quantile here is a value at risk.",
        "情景下的一切数字均以该情景为前提。此处任何分位数都不是在险价值。",
    ),
)

PROVISIONAL = Phrase(
    "The rating scale is provisional: its indicators and bands await a regulator's decision.",
    "评级标尺为暂定：其指标与分档有待监管机构确定。",
)

#: What every scenario takes for granted, as facts.
ASSUMPTIONS: tuple[Phrase, ...] = (
    Phrase(
        "All scenarios meet the same draws (M-5): a difference between two scenarios is a difference of "
        "what they suppose, not of luck.",
        "各情景使用同一组随机数（M-5）：两个情景之间的差异来自设定，而非运气。",
    ),
    Phrase(
        "A crash binds the market factor at fundamental closes (M-9); quoted prices obey daily limits and "
        "feel the impact of forced sales (M-13, M-14, M-24).",
        "暴跌约束的是市场因子的基本面收盘水平（M-9）；报价受涨跌停约束，并承受强平卖出的冲击（M-13、M-14、M-24）。",
    ),
    Phrase(
        "Calls and forced sales follow the quoted prices; losses at the end of the run are valued at "
        "fundamental prices (M-19, M-21, M-30).",
        "追缴与强平按报价执行；期末损失按基本面价格计（M-19、M-21、M-30）。",
    ),
    Phrase(
        "Repayments reach the platform on the next trading day; redemptions are paid from cash, pool and "
        "committed line in that order, then loans are called (M-17, M-18).",
        "还款于下一交易日到达平台；兑付依次动用现金、资产池与承诺授信，然后提前收回融资（M-17、M-18）。",
    ),
    Phrase(
        "Failure of a platform is recorded on the first day on which own funds are gone or a redemption is "
        "unpaid past its grace (M-28).",
        "平台失败记为自有资金首次耗尽、或兑付首次逾期超过宽限之日（M-28）。",
    ),
)
