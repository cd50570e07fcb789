//! What the system knows of a process. `None` where it does not tell in this way, as on macOS and Windows.

/// CPU seconds, in user and in kernel mode, in steps of 10 ms.
pub fn cpu(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    // Linux counts in hundredths of a second for user space, whatever its own clock (USER_HZ, time(7)).
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Resident memory in MiB.
pub fn resident(pid: u32) -> Option<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
