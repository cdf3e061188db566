/// Serves as many as can be, each with one of its wishes: augmenting paths (Berge 1957), earlier ones first.
///
/// Taking the best free record in turn would not do: of two equal requests the one with the longer window could take the
/// only record in the other's.
enum MultisetMatching {
    /// The wish that each is served with, by its index; nil where it goes without.
    static func serve(_ wishes: [[Int]]) -> [Int?] {
        var served: [Int?] = wishes.map { _ in nil }
        var owners: [Int: Int] = [:]
        // Records from which no path leads to a free one will never be free again.
        var spent: Set<Int> = []
        for start in wishes.indices {
            var wanted: [Int: Int] = [:]
            var asking = [start]
            var free: Int?
            var next = 0
            while free == nil, next < asking.count {
                let task = asking[next]
                next += 1
                for record in wishes[task] where wanted[record] == nil && !spent.contains(record) {
                    wanted[record] = task
                    guard let owner = owners[record] else {
                        free = record
                        break
                    }
                    asking.append(owner)
                }
            }
            if free == nil { spent.formUnion(wanted.keys) }
            while let record = free, let task = wanted[record] {
                free = served[task]
                served[task] = record
                owners[record] = task
            }
        }
        return served
    }
}
