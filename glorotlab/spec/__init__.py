"""Plain, frozen, validated descriptions of networks and runs."""
