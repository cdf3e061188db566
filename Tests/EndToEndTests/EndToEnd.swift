import Testing

/// Every test here starts real processes, so they take turns.
@Suite(.serialized) enum EndToEnd {}
