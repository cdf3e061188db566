/// What the provider allows one token to do on one service; nil where it does not say.
package struct ServiceLimits: Sendable, Hashable {
    /// How many tasks may be unfinished at a time.
    package var maxInFlight: Int?
    /// How many submissions one second may see; 0.5 is one every two seconds.
    package var submitsPerSecond: Double?

    package init(maxInFlight: Int? = nil, submitsPerSecond: Double? = nil) {
        self.maxInFlight = maxInFlight
        self.submitsPerSecond = submitsPerSecond
    }
}
