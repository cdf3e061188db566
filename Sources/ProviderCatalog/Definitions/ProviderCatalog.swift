import EmbeddedFiles
package import TaskModel

/// The providers and endpoints that are known.
package struct ProviderCatalog: Sendable {
    /// Sorted by name.
    package let endpoints: [EndpointProfile]
    /// Example requests.
    package let examples: EndpointExamples
    private let endpointsByName: [EndpointName: EndpointProfile]
    private let providersByName: [ProviderName: ProviderProfile]
    /// Sorted by name.
    package var providers: [ProviderProfile] { providersByName.values.sorted { $0.name < $1.name } }
    /// The longest minimum gap between two polls in any definition.
    package var longestMinGap: Duration { endpoints.compactMap(\.minGap).max() ?? .zero }

    /// The shipped definitions and the user's own.
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

    /// Reads definition files. Messages use the names of the files.
    ///
    /// An endpoint or a provider that is defined twice is an error, in one file or across them.
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
                    problem: "\(other.name) is already the default, and there can be only one")
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

    /// The same catalog with other base URLs for some providers, such as a sandbox or a proxy.
    package func moved(to baseURLs: [ProviderName: String]) -> ProviderCatalog {
        let providers = providersByName.mapValues { provider in
            baseURLs[provider.name].map { provider.moved(to: $0) } ?? provider
        }
        let endpoints = endpoints.map { endpoint in
            baseURLs[endpoint.provider].map { endpoint.moved(to: $0) } ?? endpoint
        }
        return ProviderCatalog(endpoints: endpoints, providers: providers, examples: examples)
    }

    /// The catalog with the prices of a file in place of those of the definitions. It has a price for each name of an
    /// endpoint. `shownName` stands for the file where prices are shown.
    package func priced(
        by yaml: String, file: String, shownName: String
    ) throws(CatalogError) -> ProviderCatalog {
        let fields = try DefinitionFields(file: file, yaml: yaml, allowed: nil)
        var prices: [EndpointName: Price] = [:]
        for (text, _) in fields.names {
            guard let name = EndpointName(text), endpointsByName[name] != nil else {
                let nearest = self.nearest(to: text, limit: 1).first
                throw fields.error(
                    text, "there is no such endpoint" + (nearest.map { "; did you mean \($0)?" } ?? ""))
            }
            let price = try fields.required(text) { name throws(CatalogError) in
                try fields.fields(name, allowed: PriceDefinition.fields)
            }
            prices[name] = try PriceDefinition.price(price)
        }
        let endpoints = endpoints.map { endpoint in
            guard let price = prices[endpoint.name] else { return endpoint }
            var endpoint = endpoint
            (endpoint.price, endpoint.priceFile) = (price, shownName)
            return endpoint
        }
        return ProviderCatalog(endpoints: endpoints, providers: providersByName, examples: examples)
    }

    /// The endpoint with that name; nil if unknown. Then see ``nearest(to:limit:)``.
    package func endpoint(_ name: EndpointName) -> EndpointProfile? { endpointsByName[name] }

    /// The provider of that name.
    package func provider(_ name: ProviderName) -> ProviderProfile? { providersByName[name] }
}
