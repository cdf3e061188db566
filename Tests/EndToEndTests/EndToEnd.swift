import Testing

/// Serialized, because every test starts real processes.
@Suite(.serialized) enum EndToEnd {}
