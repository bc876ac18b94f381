"""Programs that use evercache the way an application would."""
