/// An error for users and their programs.
package protocol UserFacingError: Error, Sendable {
    /// A stable word of the contract, such as `storage_full`.
    var code: String { get }
    /// Whole sentences: what happened, what it means for the task, and what to do.
    var message: String { get }
}
