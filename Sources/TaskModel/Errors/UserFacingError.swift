/// An error that ends up before a person or a program of theirs.
package protocol UserFacingError: Error, Sendable {
    /// Stable word of the contract: `storage_full`.
    var code: String { get }
    /// What happened, what it means for the task, and what to do; whole sentences.
    var message: String { get }
}
