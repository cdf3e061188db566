import TaskModel
import VerbatimJSON

extension EndpointProfile {
    /// How long the provider asks to be left alone about the tasks of a reply that it gave gladly; nil where it does not.
    ///
    /// Ten minutes at the most: whoever says more means something else, and a result must be noticed some day.
    package func leaveAlone(after reply: UpstreamReply) -> Duration? {
        guard 200...299 ~= reply.status else { return nil }
        let told = wire?.wait.flatMap { place in
            // A body that cannot be read tells no wait.
            place.wait(in: reply, place.at.isEmpty ? nil : try? JSONValue(parsing: reply.body, limits: .lenient))
        }
        guard let longest = [told, reply.retryAfter].compactMap(\.self).max() else { return nil }
        return min(longest, .seconds(600))
    }

    /// How long a provider that does not take requests now asks to be left alone; nil where it does not say.
    func retryAfter(_ reply: UpstreamReply, _ body: JSONValue?) -> Duration? {
        [reply.retryAfter, reading.wait?.wait(in: reply, body)].compactMap(\.self).max()
    }
}
