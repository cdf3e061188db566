package import TaskModel

/// Names in tests are literals. An invalid one is a mistake of the test, so it stops.
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
