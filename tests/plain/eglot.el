;;; A person at Emacs with eglot; run by test_emacs.py.   -*- lexical-binding: t -*-
;; emacs -Q --batch -l eglot.el PILLION FILE TEXT ANSWER: types TEXT at the start of FILE, runs the code action on the
;; line after it, answers the approval with ANSWER, undoes. Prints what was seen as one line of JSON.
(require 'eglot)
(require 'json)
;; Unpacked beside the system, it has no compiler to call.
(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)

(pcase-let* ((`(,pillion ,file ,typed ,answer) command-line-args-left)
             (project (file-name-directory file))
             (popups nil)
             (seen nil))
  (setq command-line-args-left nil
        eglot-send-changes-idle-time 0.05
        eglot-autoreconnect nil
        ;; Its own limits are for a machine at rest.
        eglot-connect-timeout 60
        jsonrpc-default-request-timeout 60
        project-find-functions (list (lambda (_) (cons 'transient project))))
  (cl-labels
      ((wait (what condition)
         (with-timeout (60 (princ (format "never: %s; %S %s\n" what popups (buffer-string))) (kill-emacs 1))
           (while (not (funcall condition)) (accept-process-output nil 0.05))))
       ;; A batch job has no idle timers.
       (tell () (eglot--signal-textDocument/didChange))
       (note (name value) (push (cons name value) seen)))
    ;; What eglot asks the person with.
    (setq completing-read-function (lambda (prompt &rest _) (push prompt popups) answer))
    ;; The line from editors/README.md.
    (add-to-list 'eglot-server-programs `(python-mode . (,pillion "lsp")))
    (find-file file)
    (python-mode)
    (apply #'eglot--connect (eglot--guess-contact))
    (wait "managed" #'eglot-managed-p)
    (goto-char (point-min))
    (insert typed)
    (undo-boundary)
    (tell)
    (forward-line 0)
    (let* ((actions (eglot-code-actions (point) (point) nil nil))
           (action (cl-find-if (lambda (action) (string-match-p "add one" (plist-get action :title))) actions)))
      (note 'actions (vconcat (mapcar (lambda (action) (plist-get action :title)) actions)))
      (let ((before (buffer-string)))
        (note 'before before)
        (eglot-execute (eglot-current-server) action)
        (wait "the popup" (lambda () popups))
        (when (equal answer "Allow")
          (wait "the edit" (lambda () (not (equal before (buffer-string))))))
        (tell)
        (wait "the end" (lambda () (with-current-buffer "*Messages*"
                                     (string-match-p "Done\\." (buffer-string)))))
        (note 'after (buffer-string))
        (note 'modified (and (buffer-modified-p) t))
        (when (equal answer "Allow")
          (undo-boundary)
          (setq last-command nil)
          (undo)
          (note 'undone (buffer-string)))))
    (note 'popups (vconcat popups))
    (princ (concat "SEEN " (json-encode seen) "\n"))
    (set-buffer-modified-p nil)
    (eglot-shutdown (eglot-current-server))))
