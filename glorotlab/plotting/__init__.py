"""Drawing of LayerStatistics, runs and theory values; nothing here trains or predicts."""
