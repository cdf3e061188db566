import EmbeddedFiles
package import TaskModel

/// Everything that is known about providers and their endpoints.
package struct ProviderCatalog: Sendable {
    /// Sorted by name.
    package let endpoints: [EndpointProfile]
    /// Example requests.
    package let examples: EndpointExamples
    private let endpointsByName: [EndpointName: EndpointProfile]
    private let providersByName: [ProviderName: ProviderProfile]
    /// Sorted by name.
    package var providers: [ProviderProfile] { providersByName.values.sorted { $0.name < $1.name } }
    /// The longest time for which any definition wants its tasks left alone between two polls.
    package var longestMinGap: Duration { endpoints.compactMap(\.minGap).max() ?? .zero }

    /// The shipped definitions, and those of a person.
    package static func builtIn(
        adding own: [(name: String, yaml: String)] = []
    ) throws(CatalogError) -> ProviderCatalog {
        let xhuoapi = pollux_xhuoapi_yaml()
        let shipped: [(String, [UInt8])] = [
            ("xhuoapi.yaml", Array(UnsafeBufferPointer(start: xhuoapi.start, count: xhuoapi.count))),
            ("fal.yaml", PackageResources.fal_yaml), ("replicate.yaml", PackageResources.replicate_yaml),
            ("openai.yaml", PackageResources.openai_yaml), ("google.yaml", PackageResources.google_yaml),
            ("runway.yaml", PackageResources.runway_yaml),
        ]
        return try ProviderCatalog(
            definitions: shipped.map { ($0.0, String(decoding: $0.1, as: UTF8.self)) } + own,
            examples: EndpointExamples(
                file: "xhuoapi-guide.yaml", yaml: String(decoding: PackageResources.xhuoapi_guide_yaml, as: UTF8.self)))
    }

    /// Reads definition files; the name of each is used in messages only.
    ///
    /// An endpoint or a provider that is defined twice is refused, in one file or across them.
    package init(
        definitions: [(name: String, yaml: String)], examples: EndpointExamples = EndpointExamples()
    ) throws(CatalogError) {
        self.examples = examples
        var endpoints: [EndpointName: EndpointProfile] = [:]
        var providers: [ProviderName: ProviderProfile] = [:]
        for (file, yaml) in definitions {
            let definition = try ProviderDefinition(file: file, yaml: yaml)
            guard providers[definition.provider.name] == nil else {
                throw .defined(twice: definition.provider.name.text, file: file, line: nil)
            }
            if definition.provider.isDefault, let other = providers.values.first(where: \.isDefault) {
                throw .badField(
                    file: file, line: nil, field: "default",
                    problem: "\(other.name) is the default already, and there can be one only")
            }
            providers[definition.provider.name] = definition.provider
            for (profile, line) in definition.endpoints {
                guard endpoints.updateValue(profile, forKey: profile.name) == nil else {
                    throw .defined(twice: profile.name.text, file: file, line: line)
                }
            }
        }
        endpointsByName = endpoints
        providersByName = providers
        self.endpoints = endpoints.values.sorted { $0.name < $1.name }
    }

    private init(endpoints: [EndpointProfile], providers: [ProviderName: ProviderProfile], examples: EndpointExamples) {
        self.examples = examples
        self.endpoints = endpoints
        endpointsByName = Dictionary(uniqueKeysWithValues: endpoints.map { ($0.name, $0) })
        providersByName = providers
    }

    /// The same catalog with some providers elsewhere: a sandbox, a proxy.
    package func moved(to baseURLs: [ProviderName: String]) -> ProviderCatalog {
        let providers = providersByName.mapValues { provider in
            baseURLs[provider.name].map { provider.moved(to: $0) } ?? provider
        }
        let endpoints = endpoints.map { endpoint in
            baseURLs[endpoint.provider].map { endpoint.moved(to: $0) } ?? endpoint
        }
        return ProviderCatalog(endpoints: endpoints, providers: providers, examples: examples)
    }

    /// The endpoint of that name; nil where it is unknown, ``nearest(to:limit:)`` then helps.
    package func endpoint(_ name: EndpointName) -> EndpointProfile? { endpointsByName[name] }

    /// The provider of that name.
    package func provider(_ name: ProviderName) -> ProviderProfile? { providersByName[name] }
}
