import TaskModel
package import VerbatimJSON

/// How programs reach a provider through the gateway, under `gateway` of its definition.
package struct GatewayProfile: Sendable, Hashable {
    /// The environment variables of the provider's clients, in order. `{gateway}` is an address, `{host}` the same without its scheme.
    package var environment: [Variable] = []
    /// Request headers that decide what a request means, in small letters.
    package var headers: [String] = []
    /// The body of an error reply of the gateway.
    var errorForm: GatewayTemplate?
    /// The path of the base URL in the definition. Programs may send it or leave it out.
    package var basePath = ""

    /// How clients name the address behind a proxy; nil where they have a base URL.
    package var proxied: Proxied?

    /// The header field of a result in which clients look for the task's id; nil where they do not.
    package var idHeader: String?

    /// A header field with the address that a request is for, and the base URL that it begins with.
    package struct Proxied: Sendable, Hashable {
        package let header: String
        package let base: String
    }

    package struct Variable: Sendable, Hashable {
        package let name: String
        let value: Template

        /// The line's value for a gateway at that address.
        package func value(gateway: String, token: String) -> String {
            let host = gateway.firstRange(of: "://").map { gateway[$0.upperBound...] }
            let values = ["gateway": gateway, "host": host.map(String.init) ?? gateway, "token": token]
            return value.plain { values[$0] } ?? ""
        }
    }

    /// An error of the gateway in the provider's form.
    package func error(_ status: Int, code: String, message: String) -> GatewayReply {
        let body =
            errorForm?.filled(code: code, message: message)
            ?? ["error": ["code": .string(code), "message": .string(message)]]
        return GatewayReply(status: status, body)
    }
}

/// Reads `gateway` of a definition.
enum GatewayDefinition {
    static func profile(_ fields: DefinitionFields, baseURL: String) throws(CatalogError) -> GatewayProfile {
        var profile = GatewayProfile()
        profile.basePath = String(baseURL.drop { $0 != ":" }.dropFirst(3).drop { $0 != "/" })
        guard
            let own = try fields.fields(
                "gateway", allowed: ["environment", "headers", "error", "id_header", "proxied"])
        else {
            return profile
        }
        profile.environment =
            try own.templates("environment", places: ["gateway", "host", "token"])?.map { named in
                GatewayProfile.Variable(name: named.name, value: named.template)
            } ?? []
        profile.headers = try own.texts("headers")?.map { $0.lowercased() } ?? []
        profile.errorForm = try template("error", own)
        profile.idHeader = try own.text("id_header")
        if let proxied = try own.fields("proxied", allowed: ["header", "base"]) {
            profile.proxied = GatewayProfile.Proxied(
                header: try proxied.required("header", proxied.text), base: try proxied.required("base", proxied.text))
        }
        return profile
    }

    static func forms(_ fields: DefinitionFields) throws(CatalogError) -> DeclaredDialect.GatewayForms {
        var forms = DeclaredDialect.GatewayForms()
        let allowed = [
            "accepted", "status", "pending", "succeeded", "failed", "poll", "result", "cancel", "id_part",
            "asynchronous_if", "passed_if", "callback", "failed_callback",
        ]
        guard let own = try fields.fields("gateway", allowed: allowed) else { return forms }
        forms.accepted = try template("accepted", own)
        forms.pending = try template("pending", own)
        forms.succeeded = try template("succeeded", own)
        forms.failed = try template("failed", own)
        forms.callback = try template("callback", own)
        forms.failedCallback = try template("failed_callback", own)
        if let status = try own.count("status") {
            guard 200...299 ~= status else { throw own.error("status", "expected a 2xx status") }
            forms.status = status
        }
        forms.poll = try path("poll", own)
        forms.result = try path("result", own)
        forms.cancel = try path("cancel", own)
        forms.idPart = try own.text("id_part")
        forms.asynchronousIf = try own.text("asynchronous_if")
        if let members = try own.json("passed_if") {
            guard let object = members.object else { throw own.error("passed_if", "expected an object") }
            forms.passedIf = object
        }
        return forms
    }

    private static func path(_ name: String, _ fields: DefinitionFields) throws(CatalogError) -> Template? {
        guard let template = try fields.template(name, places: nil) else { return nil }
        guard template.names.contains("id") else { throw fields.error(name, "expected {id} in it") }
        return template
    }

    private static func template(_ name: String, _ fields: DefinitionFields) throws(CatalogError) -> GatewayTemplate? {
        guard let document = try fields.json(name) else { return nil }
        do throws(GatewayTemplate.UnknownPlace) {
            return try GatewayTemplate(document)
        } catch {
            let known = (GatewayTemplate.places + ["request.NAME"]).map { "{\($0)}" }.joined(separator: ", ")
            throw fields.error(name, "\"\(error.text)\" has a place that is not known here; known are \(known)")
        }
    }
}

extension JSONValue {
    /// The document with another address in place of a provider's base URL, wherever a text begins with that.
    package func readdressed(from base: String, to address: String) -> JSONValue {
        switch self {
        case .string(let text):
            guard text.hasPrefix(base) else { return self }
            let rest = text.dropFirst(base.count)
            // Another host may begin with the same letters.
            return rest.first.map { "/?#".contains($0) } ?? true ? .string(address + rest) : self
        case .array(let elements): return .array(elements.map { $0.readdressed(from: base, to: address) })
        case .object(let object):
            return .object(
                JSONObject(
                    distinct: object.members.map { .init($0.name, $0.value.readdressed(from: base, to: address)) }))
        case .null, .bool, .number: return self
        }
    }
}
