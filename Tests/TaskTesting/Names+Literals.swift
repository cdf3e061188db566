package import TaskModel

/// Lets tests write names as literals. An invalid literal stops the test.
extension ServiceName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        guard let name = Self(text) else { preconditionFailure("\"\(text)\" is no name of a service.") }
        self = name
    }
}

extension ProviderName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        guard let name = Self(text) else { preconditionFailure("\"\(text)\" is no name of a provider.") }
        self = name
    }
}

extension AccountName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        guard let name = Self(text) else { preconditionFailure("\"\(text)\" is no name of an account.") }
        self = name
    }
}

/// The account `default` of a provider.
extension ProviderAccount: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self.init(provider: ProviderName(stringLiteral: text)) }
}

/// The service as the account `default` uses it.
extension AccountService: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self.init(ServiceName(stringLiteral: text)) }
}
