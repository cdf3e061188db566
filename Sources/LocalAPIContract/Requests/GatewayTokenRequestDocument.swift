/// GatewayTokenRequestDocument is a request to make a token of the gateway.
package struct GatewayTokenRequestDocument: ContractDocument {
    /// At most 32 small letters, digits and hyphens, a letter first.
    package var name = ""

    package static let isRequest = true

    package init() {}

    package init(name: String) {
        self.name = name
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("name", &name)
    }
}
