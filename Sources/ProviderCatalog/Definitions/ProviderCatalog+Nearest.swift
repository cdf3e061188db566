package import TaskModel
import Text

extension ProviderCatalog {
    /// The names that a mistyped one may have meant, the likeliest first; empty if none is similar.
    ///
    /// A name is similar if it is within ``NearestName/tolerance(for:)`` or has the right service.
    package func nearest(to text: String, limit: Int) -> [EndpointName] {
        let service = text.prefix(128).prefix { $0 != "/" }.lowercased()
        let tolerance = NearestName.tolerance(for: text)
        let candidates = endpoints.compactMap { profile -> (distance: Int, name: EndpointName)? in
            let distance = NearestName.distance(text, profile.name.text)
            let isSameService = profile.name.service.text.lowercased() == service
            guard isSameService || distance <= tolerance else { return nil }
            return (isSameService ? distance - tolerance : distance, profile.name)
        }
        return candidates.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(max(limit, 0)).map(\.name)
    }
}
