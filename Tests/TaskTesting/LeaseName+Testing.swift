package import TaskStore

extension LeaseName {
    /// The lease under which tests start attempts.
    package static let testing = LeaseName(provider: "testing")
}
