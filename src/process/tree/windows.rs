//! On Windows a job object holds the program and everything it starts; closing it ends them.

use std::{
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::process::{Child, Command};
use windows_sys::Win32::System::{
    JobObjects::{
        AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
        TerminateJobObject,
    },
    Threading::CREATE_NO_WINDOW,
};

static LIVE: LazyLock<Mutex<Vec<Arc<Tree>>>> = LazyLock::new(Mutex::default);

pub struct Tree {
    job: OwnedHandle,
    id: u32,
    forgotten: AtomicBool,
}

impl Tree {
    /// The program is put into its job right after it starts. What it starts before that, within microseconds, would
    /// escape; no shell is that fast.
    pub fn start(mut command: Command, _pipe: Option<u64>) -> io::Result<(Child, Arc<Self>)> {
        let job = new_job()?;
        let mut child = command.creation_flags(CREATE_NO_WINDOW).spawn()?;
        let (Some(process), Some(id)) = (child.raw_handle(), child.id()) else {
            return Err(io::Error::other("it ended before it could be watched"));
        };
        // SAFETY: both handles are open; the child's is borrowed from `child`.
        if unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) } == 0 {
            let error = io::Error::last_os_error();
            let _ = child.start_kill();
            return Err(error);
        }
        let tree = Arc::new(Self { job, id, forgotten: AtomicBool::new(false) });
        lock().push(Arc::clone(&tree));
        Ok((child, tree))
    }

    pub async fn end(self: &Arc<Self>) -> Vec<u32> {
        self.kill();
        Vec::new()
    }

    pub fn kill(&self) {
        // SAFETY: the handle is open for as long as `self`.
        unsafe { TerminateJobObject(self.job.as_raw_handle(), 1) };
    }

    pub fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
        lock().retain(|tree| !std::ptr::eq(Arc::as_ptr(tree), self));
    }

    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub fn id(&self) -> u32 {
        self.id
    }
}

/// A job object misses nobody.
pub fn claim_orphans() {}

pub fn count() -> usize {
    lock().len()
}

pub async fn end_all() {
    for tree in lock().iter() {
        tree.kill();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Arc<Tree>>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_job() -> io::Result<OwnedHandle> {
    // SAFETY: neither a name nor security attributes are given; the handle that is returned is ours alone.
    let job = unsafe {
        let handle = CreateJobObjectW(std::ptr::null(), std::ptr::null());
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        OwnedHandle::from_raw_handle(handle)
    };
    // SAFETY: a plain structure of numbers, for which zero is the neutral value.
    let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = unsafe { std::mem::zeroed() };
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32;
    // SAFETY: `limits` is of the structure that this class of information asks for, and `size` is its size.
    let set = unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size,
        )
    };
    if set == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(job)
}
