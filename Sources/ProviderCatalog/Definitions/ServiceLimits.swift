/// The limits of the provider for one token on one service; nil if it states none.
package struct ServiceLimits: Sendable, Hashable {
    /// The maximum number of unfinished tasks at a time.
    package var maxInFlight: Int?
    /// The maximum number of submissions per second; 0.5 is one every two seconds.
    package var submitsPerSecond: Double?

    package init(maxInFlight: Int? = nil, submitsPerSecond: Double? = nil) {
        self.maxInFlight = maxInFlight
        self.submitsPerSecond = submitsPerSecond
    }
}
