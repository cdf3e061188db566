package import VerbatimJSON

/// The short answer of `/healthz` and `/readyz`; a daemon that is not ready answers with a problem instead.
package struct HealthDocument: Sendable, Hashable {
    /// `ok` or `ready`.
    package var status: String

    package init(status: String) {
        self.status = status
    }

    /// Reads the answer.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        status = try reader.required("status", reader.string)
    }

    /// The answer as it is sent.
    package var json: JSONValue { ["status": .string(status)] }
}
