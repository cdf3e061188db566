import TaskModel

/// One definition file: a provider with its endpoints.
struct ProviderDefinition {
    let provider: ProviderProfile
    let endpoints: [(profile: EndpointProfile, line: Int?)]

    /// Decodes and checks a file. Unknown fields are errors, because most of them are mistakes.
    init(file: String, yaml: String) throws(CatalogError) {
        let fields = try DefinitionFields(file: file, yaml: yaml, allowed: Self.topFields)
        provider = try Self.provider(fields)
        let shared = try SharedRules(fields)
        let hosts = HostAllowlist(baseURL: provider.baseURL, others: provider.allowedHosts)
        var endpoints: [(profile: EndpointProfile, line: Int?)] = []
        if let own = try fields.fields("endpoints", allowed: nil) {
            guard !own.names.isEmpty else { throw fields.error("endpoints", "there is none") }
            endpoints += try DeclaredDefinition.endpoints(
                own, of: fields, provider: provider, hosts: hosts, shared: shared)
        } else if !fields.has("services") {
            throw fields.error("services", "this field is missing; endpoints is allowed instead")
        }
        let services = try fields.fields("services", allowed: nil)
        for (service, _) in services?.names ?? [] {
            guard let fields = try services?.fields(service, allowed: InferredDefinition.serviceFields) else {
                continue
            }
            endpoints += try InferredDefinition.endpoints(of: service, fields, provider: provider, shared: shared)
        }
        self.endpoints = endpoints
    }

    private static let topFields = [
        "provider", "default", "base_url", "allowed_hosts", "auth", "token", "headers", "max_requests_per_second",
        "error", "callback_signature", "gateway",
        "codes", "statuses", "words", "hints", "services", "endpoints",
    ]

    private static func provider(_ fields: DefinitionFields) throws(CatalogError) -> ProviderProfile {
        let baseURL = try fields.required("base_url", fields.text)
        guard HostAllowlist.parts(of: baseURL) != nil, !baseURL.hasSuffix("/"),
            !baseURL.contains(where: { "?#@".contains($0) })
        else { throw fields.error("base_url", "expected a URL that begins with https:// and ends without a slash") }
        guard let name = ProviderName(try fields.required("provider", fields.text)) else {
            throw fields.error("provider", "expected up to 32 small letters, digits and hyphens, a letter first")
        }
        var provider = ProviderProfile(
            name: name, baseURL: baseURL,
            maxRequestsPerSecond: try fields.required("max_requests_per_second", fields.rate))
        provider.isDefault = try fields.flag("default") ?? false
        provider.headers = try fields.fixedTexts("headers") ?? [:]
        provider.authentication = try authentication(fields) ?? .bearer
        provider.allowedHosts = try fields.texts("allowed_hosts") ?? []
        provider.gateway = try GatewayDefinition.profile(fields, baseURL: baseURL)
        if let strange = provider.allowedHosts.first(where: { !HostAllowlist.isHost($0) }) {
            throw fields.error(
                "allowed_hosts",
                "\"\(strange)\" is not a host; expected a form such as api.example.com or *.example.com")
        }
        if let variable = try fields.text("token") {
            guard variable.utf8.allSatisfy(isVariableByte), variable.first?.isNumber == false else {
                throw fields.error("token", "expected the name of an environment variable, never the token itself")
            }
            provider.tokenVariable = variable
        }
        provider.callbackSignature = try fields.fields("callback_signature", allowed: signatureFields).map {
            fields throws(CatalogError) in try signature(fields)
        }
        return provider
    }

    private static let signatureFields = [
        "algorithm", "secret", "secret_form", "header", "form", "over", "timestamp", "tolerance_seconds",
    ]

    private static func signature(_ fields: DefinitionFields) throws(CatalogError) -> CallbackSignature {
        let algorithm: CallbackSignature.Algorithm = try fields.required("algorithm") { name throws(CatalogError) in
            try fields.choice(name)
        }
        let variable = try fields.required("secret", fields.text)
        guard variable.utf8.allSatisfy(isVariableByte), variable.first?.isNumber == false else {
            throw fields.error("secret", "expected the name of an environment variable, never the secret itself")
        }
        let isEcho = algorithm == .echo
        for name in ["form", "over", "timestamp", "tolerance_seconds"] where isEcho && fields.has(name) {
            throw fields.error(name, "the header field only repeats the secret, so nothing is signed")
        }
        let form = try fields.pattern("form", places: ["hex", "base64", "timestamp"])
        let over = try fields.pattern("over", places: nil)
        if !isEcho {
            guard let form, form.names.count(where: { $0 != "timestamp" }) == 1 else {
                throw fields.error("form", "expected exactly one of {hex} and {base64}, as in \"v1,{base64}\"")
            }
            guard let over, over.names.contains(where: { $0.hasPrefix("body") }) else {
                throw fields.error("over", "expected {body} or {body_sha256} in it, as in \"{timestamp}.{body}\"")
            }
            let isTimed = form.names.contains("timestamp") || fields.has("timestamp")
            guard isTimed || !fields.has("tolerance_seconds") && !over.names.contains("timestamp") else {
                throw fields.error("timestamp", "this field is missing; it names the header field with the time")
            }
        }
        return CallbackSignature(
            algorithm: algorithm, secretVariable: variable, secretForm: try fields.choice("secret_form") ?? .text,
            header: try fields.required("header", fields.text).lowercased(), form: form, over: over,
            timestampHeader: try fields.text("timestamp")?.lowercased(),
            tolerance: try fields.seconds("tolerance_seconds"))
    }

    private static func isVariableByte(_ byte: UInt8) -> Bool {
        let character = Character(Unicode.Scalar(byte))
        return character.isASCII && (character.isUppercase || character.isNumber || character == "_")
    }

    private static func authentication(_ fields: DefinitionFields) throws(CatalogError) -> Authentication? {
        guard
            let auth = try fields.fields(
                "auth", allowed: ["header", "prefix", "query", "jwt", "lifetime_seconds", "none"])
        else { return nil }
        guard auth.names.filter({ !["prefix", "lifetime_seconds"].contains($0.name) }).count == 1 else {
            throw auth.error("expected exactly one of header, query, jwt and none")
        }
        if let header = try auth.text("header") { return .header(name: header, prefix: try auth.text("prefix") ?? "") }
        guard !auth.has("prefix") else { throw auth.error("prefix", "is only valid with header") }
        if let algorithm = try auth.text("jwt") {
            guard algorithm == "HS256" else { throw auth.error("jwt", "only HS256 is supported") }
            return .signedToken(lifetime: try auth.seconds("lifetime_seconds") ?? .seconds(1_800))
        }
        guard !auth.has("lifetime_seconds") else { throw auth.error("lifetime_seconds", "is only valid with jwt") }
        if let query = try auth.text("query") { return .query(name: query) }
        guard try auth.flag("none") == true else { throw auth.error("none", "expected true") }
        return Authentication.none
    }
}

extension ProviderProfile {
    /// The full name of an endpoint of this provider.
    func endpointName(_ text: String) -> EndpointName? { EndpointName(isDefault ? text : "\(name):\(text)") }
}
