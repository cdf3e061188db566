import TaskModel
package import TaskStore

extension LeaseName {
    /// The lease under which tests start attempts.
    package static let testing = LeaseName(ProviderAccount(provider: "testing"))
}
