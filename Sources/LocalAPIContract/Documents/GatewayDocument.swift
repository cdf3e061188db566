/// GatewayDocument says how programs reach the gateway.
package struct GatewayDocument: ContractDocument {
    /// Its address as a URL; nil if it is off.
    package var url: String?
    package var tokens: [Token] = []
    package var providers: [Provider] = []

    /// A token by which programs get in, without its text.
    package struct Token: ContractDocument {
        package var name = ""
        /// RFC 3339.
        package var createdAt = ""

        package init() {}

        package init(name: String, createdAt: String) {
            self.name = name
            self.createdAt = createdAt
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("name", &name)
            try coder.required("created_at", &createdAt)
        }
    }

    /// A provider as it is reached through the gateway.
    package struct Provider: ContractDocument {
        package var name = ""
        /// Where its paths begin.
        package var url = ""
        /// The environment variables of its clients. `{token}` stands for a token.
        package var environment: [String: String] = [:]

        package init() {}

        package init(name: String, url: String, environment: [String: String]) {
            self.name = name
            self.url = url
            self.environment = environment
        }

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.required("name", &name)
            try coder.required("url", &url)
            try coder.member("environment", &environment)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("url", &url)
        try coder.member("tokens", &tokens)
        try coder.member("providers", &providers)
    }
}

/// GatewayTokenDocument is a new token, the only time that it is shown.
package struct GatewayTokenDocument: ContractDocument {
    package var name = ""
    package var token = ""

    package init() {}

    package init(name: String, token: String) {
        self.name = name
        self.token = token
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("name", &name)
        try coder.required("token", &token)
    }
}
