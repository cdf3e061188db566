import TaskModel

extension EndpointProfile {
    /// How long the provider asks to be left alone about the tasks of a reply that it gave gladly; nil where it does not.
    ///
    /// Ten minutes at the most: whoever says more means something else, and a result must be noticed some day.
    package func leaveAlone(after reply: UpstreamReply) -> Duration? {
        guard 200...299 ~= reply.status else { return nil }
        let told = wire?.waitHeader.flatMap { field in
            reply.headers[field.name].flatMap { Double($0.trimmingPrefix(while: \.isWhitespace)) }.flatMap { number in
                number.isFinite && number >= 0
                    ? Duration.seconds(rounding: min(field.unit == .seconds ? number : number / 1_000, 600)) : nil
            }
        }
        guard let longest = [told, reply.retryAfter].compactMap(\.self).max() else { return nil }
        return min(longest, .seconds(600))
    }
}
