"""What was observed: factors and their laws, calibrated on a history; the rules of the boards."""

from stresslab.market.calibrate import Calibration, calibrate
from stresslab.market.files import Loading, Market, read_market, write_market
from stresslab.market.laws import Bootstrap, Garch, Heston, History, Jump, Regime, ShortRate
from stresslab.market.rules import BoardRule, board_rule, selling_cost_bp
from stresslab.market.shipped import shipped_index, shipped_market
from stresslab.market.volatility import index_volatility

__all__ = [
    "BoardRule", "Bootstrap", "Calibration", "Garch", "Heston", "History", "Jump", "Loading", "Market", "Regime", "ShortRate",
    "board_rule", "calibrate", "index_volatility", "read_market", "selling_cost_bp", "shipped_index", "shipped_market", "write_market",
]
