"""The dashboard: several runs and backtests on one page that needs no network, in Chinese and English."""

from stresslab.dashboards.page import dashboard

__all__ = ["dashboard"]
