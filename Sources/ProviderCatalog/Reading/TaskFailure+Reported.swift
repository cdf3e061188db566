import TaskModel
import VerbatimJSON

extension AnswerCodes {
    /// What a person can do about a code, where anything is known.
    func hint(for code: String, at endpoint: EndpointName) -> String? {
        hints[code.lowercased()]?.replacing("{endpoint}", with: endpoint.text)
    }
}

extension EndpointProfile {
    /// The failure that an error stands for; the provider's own words wherever it has any.
    func failure(_ error: ReportedError?, httpStatus: Int, otherwise message: String) -> TaskFailure {
        let code = error?.code ?? "provider_failed"
        return TaskFailure(
            code: code, message: error?.message ?? message, httpStatus: error?.httpStatus ?? httpStatus,
            hint: reading.codes.hint(for: code, at: name))
    }

    /// Why a task failed, in the words of whichever part of its record tells most.
    func taskFailure(_ record: TaskRecord, httpStatus: Int) -> TaskFailure {
        let errors = (record.scopes + record.items).compactMap(ReportedError.init(in:))
        // Some services say why only as a message beside the failing word.
        let reason = record.scopes.lazy.compactMap { $0["message"]?.string ?? $0["detail"]?.string }.first
        return failure(
            errors.first, httpStatus: httpStatus,
            otherwise: reason ?? "The provider reports that the task failed and does not say why.")
    }
}
