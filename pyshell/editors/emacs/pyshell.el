;;; pyshell.el --- Send Python to a session that survives its worker  -*- lexical-binding: t; -*-

;; Version: 1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: languages, processes, tools
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; A client of pyshell, the Python console that does not lose your work.  It talks JSON-RPC with
;; `pyshell serve NAME --stdio'; nothing else is needed, and no Python in Emacs.
;;
;;   (add-to-list 'load-path (locate-user-emacs-file "pyshell"))
;;   (require 'pyshell)
;;   (add-hook 'python-mode-hook #'pyshell-mode)
;;
;; `pyshell-mode' has its commands under C-c ; and completes at point.  The session of a buffer is
;; started, or attached to, when the first code is sent; it is named after the project's directory.
;; When the connection or the session's host dies it is connected again, and what was missed is shown.

;;; Code:

(require 'ansi-color)
(require 'cl-lib)
(require 'comint)
(require 'jsonrpc)
(require 'project)
(require 'subr-x)
(require 'tabulated-list)

(defgroup pyshell nil
  "Python sessions that survive their worker."
  :group 'languages
  :prefix "pyshell-")

(defcustom pyshell-command '("pyshell")
  "How pyshell is started: the program and its first arguments."
  :type '(repeat string))

(defcustom pyshell-python nil
  "The interpreter of sessions that are started, or its environment.
Without one it is the choice of pyshell."
  :type '(choice (const :tag "The choice of pyshell" nil) file)
  :safe #'stringp)

(defcustom pyshell-session-name nil
  "The session of this buffer; nil: the one named after its project's directory."
  :type '(choice (const :tag "By project" nil) string)
  :local t
  :safe #'stringp)

(defcustom pyshell-show-output t
  "Whether the output window opens when code is sent."
  :type 'boolean)

(defcustom pyshell-output-lines 100000
  "How many lines an output buffer keeps."
  :type 'natnum)

(defcustom pyshell-mark-width 80
  "How long a result beside the code may be, in characters."
  :type 'natnum)

(defcustom pyshell-patience 1.5
  "Seconds that a completion may take; a key ends the waiting at once."
  :type 'number)

(defcustom pyshell-state-directory (locate-user-emacs-file "pyshell-seen/")
  "Where it is kept which events of each session were seen."
  :type 'directory)

(defface pyshell-pending '((t :inherit shadow)) "What a cell does that has not ended.")
(defface pyshell-done '((t :inherit shadow)) "The mark of a cell that ended without a value.")
(defface pyshell-result '((t :inherit success)) "A value beside the code.")
(defface pyshell-error '((t :inherit error)) "An error beside the code.")

;;; Sessions

(cl-defstruct (pyshell--session (:copier nil))
  "A session as this Emacs sees it."
  name directory connection
  (ready nil :documentation "Whether requests are answered.")
  (seen nil :documentation "The number of the newest event.")
  (cells (make-hash-table) :documentation "What is known of each cell, a plist by its number.")
  (marks nil :documentation "Those of code that was sent.")
  (waiting nil :documentation "Requests for when there is a connection, newest first.")
  (tries 0) connected leaving over asked drawing problem saving)

(cl-defstruct (pyshell--mark (:copier nil))
  "Code that was sent, and what became of it."
  session overlay beside text line code file cell lost)

(defvar pyshell--sessions (make-hash-table :test #'equal)
  "The sessions that this Emacs is connected to, by name.")

(defconst pyshell--client (format "emacs %d" (emacs-pid))
  "Who this Emacs is in a session's events.")

(defconst pyshell--delays '(0 0.2 0.5 1 2 5)
  "Seconds before each try to connect again; the last one is repeated.")

(defconst pyshell--tries 20
  "How often that is tried.")

(defun pyshell--directory ()
  "The directory of the current buffer's project."
  (expand-file-name (if-let ((project (project-current))) (project-root project) default-directory)))

(defun pyshell--name ()
  "The name of the current buffer's session."
  (or pyshell-session-name
      (let ((name (file-name-nondirectory (directory-file-name (pyshell--directory)))))
        (setq name (string-trim (replace-regexp-in-string "[^A-Za-z0-9_.-]+" "-" name) "[.-]+" "[.-]+"))
        (if (string-empty-p name) "main" (substring name 0 (min 64 (length name)))))))

(defun pyshell--current ()
  "The current buffer's session if this Emacs is connected to it."
  (gethash (pyshell--name) pyshell--sessions))

(defun pyshell-start (&optional name)
  "Start the session NAME or attach to it.
By default it is the one of the current buffer.  With a prefix argument ask for
the name."
  (interactive (list (when current-prefix-arg (read-string "Session: " (pyshell--name)))))
  (when name
    (setq pyshell-session-name name))
  (let* ((name (pyshell--name))
         (session (or (gethash name pyshell--sessions)
                      (puthash name (make-pyshell--session :name name :directory (pyshell--directory)
                                                           :seen (pyshell--read-seen name))
                               pyshell--sessions))))
    (unless (pyshell--session-connection session)
      (setf (pyshell--session-tries session) 0)
      (pyshell--connect session))
    session))

(defun pyshell--tell (session format &rest arguments)
  "Tell the person about SESSION what FORMAT and ARGUMENTS say."
  (message "pyshell %s: %s" (pyshell--session-name session) (apply #'format format arguments)))

(defun pyshell--process (session)
  "Start the process that serves SESSION."
  (let ((default-directory (pyshell--session-directory session))
        (name (concat "pyshell-rpc " (pyshell--session-name session))))
    (make-process :name name
                  :command `(,@pyshell-command "serve" ,(pyshell--session-name session) "--stdio"
                             ,@(when pyshell-python (list "--python" pyshell-python)))
                  :connection-type 'pipe
                  :coding 'utf-8-emacs-unix
                  :noquery t
                  :stderr (get-buffer-create (format "*%s stderr*" name)))))

(defun pyshell--connect (session)
  "Connect to SESSION, which is started if it does not run."
  (condition-case problem
      (let* ((quiet (if (< emacs-major-version 30)
                        '(:events-buffer-scrollback-size 0)
                      '(:events-buffer-config (:size 0 :format full))))
             (connection
              (apply #'make-instance 'jsonrpc-process-connection
                     :name (concat "pyshell-rpc " (pyshell--session-name session))
                     :process (lambda () (pyshell--process session))
                     :notification-dispatcher
                     (lambda (_ method params) (pyshell--hear session method params))
                     :on-shutdown (lambda (ended) (pyshell--lost session ended))
                     quiet))
             (seen (pyshell--session-seen session)))
        (setf (pyshell--session-connection session) connection)
        (jsonrpc-async-request
         connection 'initialize (list :client pyshell--client :subscribe (and seen (1+ seen)))
         :timeout nil
         :success-fn (lambda (answer) (pyshell--connected session answer))
         :error-fn (lambda (err)
                     (setf (pyshell--session-problem session) (plist-get err :message))
                     (pyshell--stop connection))))
    (file-missing
     (remhash (pyshell--session-name session) pyshell--sessions)
     (user-error "%s cannot be started (%s); see `pyshell-command'" (car pyshell-command)
                 (error-message-string problem)))))

(defun pyshell--stop (connection)
  "End the process of CONNECTION, which it then reports."
  (let ((process (jsonrpc--process connection)))
    (when (process-live-p process)
      (delete-process process))))

(defun pyshell--connected (session answer)
  "SESSION can be asked from here on; ANSWER is what it said of itself."
  (let ((again (pyshell--session-connected session)))
    (setf (pyshell--session-connected session) t
          (pyshell--session-ready session) t
          (pyshell--session-tries session) 0
          (pyshell--session-problem session) nil)
    (pyshell--tell session (if again "connected again" "connected"))
    (let ((seen (pyshell--session-seen session))
          (newest (plist-get (plist-get answer :status) :last_event)))
      ;; What was before is for the console to tell; but another session of a known name is all new.
      (when (or (not seen) (> seen newest))
        (setf (pyshell--session-seen session) (if seen 0 newest))
        (pyshell--request session "subscribe" (list :from (if seen 1 (1+ newest))))))
    (let ((waiting (reverse (pyshell--session-waiting session))))
      (setf (pyshell--session-waiting session) nil)
      (dolist (request waiting)
        (apply #'pyshell--request session request)))))

(defun pyshell--lost (session ended)
  "Make another connection to SESSION in place of ENDED, if one is wanted."
  (when (eq ended (pyshell--session-connection session))
    (setf (pyshell--session-connection session) nil
          (pyshell--session-ready session) nil)
    (dolist (mark (pyshell--session-marks session))
      (unless (pyshell--mark-cell mark)
        (setf (pyshell--mark-lost mark) t)
        (pyshell--draw mark)))
    (cond
     ((pyshell--session-leaving session))
     ((or (pyshell--session-over session)
          (not (pyshell--session-connected session))
          (>= (pyshell--session-tries session) pyshell--tries))
      (remhash (pyshell--session-name session) pyshell--sessions)
      (pyshell--tell session "%s; M-x pyshell-start connects again"
                     (if (pyshell--session-over session) "the session has ended; what is saved stays"
                       (format "not connected (%s)" (pyshell--why-not session)))))
     (t
      (let ((tries (cl-incf (pyshell--session-tries session))))
        (when (= tries 1)
          (pyshell--tell session "the connection was lost; connecting again"))
        (run-at-time (nth (min (1- tries) (1- (length pyshell--delays))) pyshell--delays) nil
                     (lambda ()
                       (unless (or (pyshell--session-connection session) (pyshell--session-leaving session))
                         (pyshell--connect session)))))))))

(defun pyshell--why-not (session)
  "What the process of SESSION said before it ended."
  (or (pyshell--session-problem session)
      (let ((buffer (get-buffer (format "*pyshell-rpc %s stderr*" (pyshell--session-name session)))))
        (when buffer
          (with-current-buffer buffer
            (let ((lines (seq-filter (lambda (line) (string-prefix-p "pyshell: " line))
                                     (split-string (buffer-string) "\n" t))))
              (and lines (string-remove-prefix "pyshell: " (car (last lines))))))))
      "it ended without a word"))

(defun pyshell--request (session method &optional params reply)
  "Ask SESSION to do METHOD with PARAMS, a plist; call REPLY with the result.
An error is told to the person, unless REPLY takes it as a second argument.
Without a connection it is asked when there is one again."
  (if (not (pyshell--session-ready session))
      (push (list method params reply) (pyshell--session-waiting session))
    (jsonrpc-async-request
     (pyshell--session-connection session) (intern method) (or params (make-hash-table))
     :timeout nil
     :success-fn (lambda (result) (when reply (funcall reply result)))
     :error-fn (lambda (err)
                 (cond
                  ((and reply (> (cdr (func-arity reply)) 1)) (funcall reply nil err))
                  ((not (pyshell--loss-p err)) (pyshell--tell session "%s" (plist-get err :message))))))))

(defun pyshell--loss-p (err)
  "Whether a request got ERR because the connection was lost, which is told anyway."
  (or (eql (plist-get err :code) -1) ; of jsonrpc itself, when its process ends
      (equal (plist-get (plist-get err :data) :kind) "ConnectionLost")))

(defun pyshell-detach ()
  "Leave the session running."
  (interactive)
  (when-let ((session (pyshell--current)))
    (pyshell--leave session)))

(defun pyshell--leave (session)
  "End the connection to SESSION."
  (setf (pyshell--session-leaving session) t)
  (pyshell--write-seen session)
  (remhash (pyshell--session-name session) pyshell--sessions)
  (when-let ((connection (pyshell--session-connection session)))
    (pyshell--stop connection)))

(defun pyshell--leave-all ()
  "Leave all sessions, before Emacs ends."
  (mapc #'pyshell--leave (hash-table-values pyshell--sessions)))

(add-hook 'kill-emacs-hook #'pyshell--leave-all)

;; What was seen is kept, so that the next Emacs shows what was missed in between.

(defun pyshell--read-seen (name)
  "The newest event of the session NAME that was seen; nil if none was."
  (let ((file (expand-file-name name pyshell-state-directory)))
    (when (file-readable-p file)
      (with-temp-buffer
        (insert-file-contents file)
        (let ((seen (string-to-number (buffer-string))))
          (and (> seen 0) seen))))))

(defun pyshell--write-seen (session)
  "Keep what was seen of SESSION."
  (setf (pyshell--session-saving session) nil)
  (when-let ((seen (pyshell--session-seen session)))
    (make-directory pyshell-state-directory t)
    (let ((coding-system-for-write 'utf-8))
      (write-region (number-to-string seen) nil
                    (expand-file-name (pyshell--session-name session) pyshell-state-directory) nil 'silent))))

;;; Events

(defun pyshell--hear (session method params)
  "Take a notification of SESSION: METHOD and PARAMS."
  (pcase method
    ('event
     (let ((seq (plist-get params :seq)))
       (unless (and (pyshell--session-seen session) (<= seq (pyshell--session-seen session)))
         (setf (pyshell--session-seen session) seq)
         (pyshell--take session params)
         (unless (pyshell--session-saving session)
           (setf (pyshell--session-saving session)
                 (run-at-time 1 nil #'pyshell--write-seen session))))))
    ('ended ; by somebody, or the host died: then there is one again when we connect
     (setf (pyshell--session-over session) (equal (plist-get params :kind) "SessionStopped"))
     (pyshell--stop (pyshell--session-connection session)))))

(defun pyshell--take (session event)
  "Take an EVENT of SESSION: note it, show it, draw beside its code."
  (let ((number (plist-get event :cell)) (body (plist-get event :body)))
    (when number
      (pyshell--note session number event body))
    (pyshell--show session event body)
    (pyshell--concern session event body)
    (dolist (mark (pyshell--session-marks session))
      (when (and (pyshell--mark-lost mark) (pyshell--is-cell-of mark event body))
        (setf (pyshell--mark-cell mark) number
              (pyshell--mark-lost mark) nil))
      (when (and number (eql number (pyshell--mark-cell mark)))
        (pyshell--draw mark)))))

(defun pyshell--cell (session number property)
  "PROPERTY of cell NUMBER of SESSION."
  (plist-get (gethash number (pyshell--session-cells session)) property))

(defun pyshell--note (session number event body)
  "Note what EVENT, which has BODY, means for cell NUMBER of SESSION."
  (let ((cells (pyshell--session-cells session)))
    (cl-flet ((note (&rest facts)
                (while facts
                  (puthash number (plist-put (gethash number cells) (pop facts) (pop facts)) cells))))
      (pcase (plist-get body :kind)
        ("queued"
         (remhash (- number 1000) cells)
         (note :status "queued" :code (plist-get body :code) :client (plist-get event :client)))
        ("started" (note :status "running"))
        ("input_request" (note :status "waiting for input"))
        ("input_done" (note :status "running"))
        ("result" (note :result (plist-get body :text)))
        ("error" (note :error (plist-get body :error)))
        ("died" (note :died (plist-get body :exit)))
        ("finished" (note :status (plist-get body :status) :seconds (plist-get body :seconds)))))))

(defun pyshell--concern (session event body)
  "Tell the person what concerns him of EVENT of SESSION, which has BODY."
  (pcase (plist-get body :kind)
    ("input_request"
     (when (equal (plist-get event :client) pyshell--client)
       (setf (pyshell--session-asked session) body)
       (run-at-time 0 nil #'pyshell--ask-for-input session body)))
    ((or "input_done" "finished") (setf (pyshell--session-asked session) nil))
    ("died" (pyshell--tell session "%s" (plist-get (plist-get body :exit) :reason)))
    ("restored"
     (let ((lost (length (plist-get body :not_restored))))
       (pyshell--tell session "a new worker has %d names again%s" (length (plist-get body :names))
                      (if (> lost 0) (format "; %d not restored, see the output" lost) ""))))
    ("held" (pyshell--tell session "the cells that wait are held; M-x pyshell-release runs them"))))

(defun pyshell--ask-for-input (session asked)
  "Ask the person for what SESSION has ASKED."
  (let* ((prompt (plist-get asked :prompt))
         (prompt (if (string-empty-p prompt) "Input: " prompt))
         (text (condition-case nil
                   (if (eq (plist-get asked :password) t) (read-passwd prompt) (read-string prompt))
                 (quit nil))))
    (cond
     ((not (eq asked (pyshell--session-asked session))))
     (text (pyshell--request session "input" (list :text text :end :json-false)))
     (t (pyshell--tell session "the cell waits on; M-x pyshell-input asks again, M-x pyshell-interrupt ends it")))))

(defun pyshell-input ()
  "Answer the cell that waits for a line."
  (interactive)
  (let ((session (pyshell-start)))
    (if-let ((asked (pyshell--session-asked session)))
        (pyshell--ask-for-input session asked)
      (user-error "No cell of this Emacs waits for input"))))

;;; Output

(define-derived-mode pyshell-output-mode special-mode "Pyshell-Output"
  "Everything that the cells of a session show."
  (setq-local window-point-insertion-type t)
  (setq-local scroll-conservatively 101))

(defun pyshell--output (session)
  "The output buffer of SESSION."
  (let* ((name (format "*pyshell %s*" (pyshell--session-name session)))
         (buffer (get-buffer name)))
    (or buffer
        (with-current-buffer (get-buffer-create name)
          (pyshell-output-mode)
          (setq pyshell-session-name (pyshell--session-name session)
                default-directory (pyshell--session-directory session))
          (current-buffer)))))

(defun pyshell-output ()
  "Show the output of the session."
  (interactive)
  (display-buffer (pyshell--output (pyshell-start))))

(defun pyshell--write (session text)
  "Add TEXT to the output of SESSION as a terminal would show it."
  (with-current-buffer (pyshell--output session)
    (let ((inhibit-read-only t)
          (ansi-color-apply-face-function #'ansi-color-apply-text-property-face)
          (windows (seq-filter (lambda (window) (= (window-point window) (point-max)))
                               (get-buffer-window-list nil nil t))))
      (save-excursion
        (goto-char (point-max))
        (let ((start (point)))
          ;; Titles and hyperlinks; colours are for ansi-color, which drops what it does not know.
          (insert (replace-regexp-in-string "\e\\][^\a\e]*\\(?:\a\\|\e\\\\\\)" "" text))
          (ansi-color-apply-on-region start (point-max))
          (comint-carriage-motion (save-excursion (goto-char start) (line-beginning-position)) (point-max)))
        (goto-char (point-max))
        (when (= 0 (forward-line (- pyshell-output-lines)))
          (delete-region (point-min) (point))))
      (dolist (window windows)
        (set-window-point window (point-max))))))

(defun pyshell--say (session text)
  "Add TEXT to the output of SESSION in lines of its own."
  (with-current-buffer (pyshell--output session)
    (setq ansi-color-context-region nil)
    (let ((start (save-excursion (goto-char (point-max)) (bolp))))
      (pyshell--write session (concat (if start "" "\n") text "\n")))))

(defun pyshell--names (names)
  "NAMES, a vector, for a person."
  (if (seq-empty-p names) "nothing" (string-join names ", ")))

(defun pyshell--lacking (lost)
  "LOST, what could not be brought back, a line each."
  (mapconcat (lambda (one)
               (format "\n  not restored: %s, %s: %s%s" (plist-get one :name) (plist-get one :type)
                       (plist-get one :reason)
                       (if-let ((cell (plist-get one :cell))) (format " (In[%d] made it)" cell) "")))
             lost ""))

(defun pyshell--show (session event body)
  "Show EVENT of SESSION, which has BODY, in the output."
  (let ((number (plist-get event :cell)))
    (pcase (plist-get body :kind)
      ("output"
       (unless (and number (eql number (pyshell--session-drawing session)))
         (pyshell--write session (plist-get body :text))))
      ("terminal_used"
       (let ((draws (equal (plist-get body :use) "screen")))
         (when (and draws (not (pyshell--session-drawing session)))
           (pyshell--say session (format "(a program draws: see it with pyshell attach -t %s)"
                                         (pyshell--session-name session))))
         (setf (pyshell--session-drawing session) (and draws number))))
      (_ (when-let ((text (pyshell--line session event body)))
           (pyshell--say session text))))))

(defun pyshell--line (session event body)
  "The line of output for EVENT of SESSION, which has BODY; nil for none."
  (cl-flet ((its (name) (plist-get body name)))
    (let ((number (plist-get event :cell)))
      (pcase (its :kind)
        ("started"
         (let* ((code (or (pyshell--cell session number :code) ""))
                (code (string-trim (replace-regexp-in-string "\\`# %% .*\\[sent\\]\n" "" code)))
                (first (car (split-string code "\n")))
                (client (plist-get event :client)))
           (format "\e[32mIn [%d]:\e[m %s%s%s" number first (if (equal first code) "" " …")
                   (if (equal client pyshell--client) "" (format "   (%s)" client)))))
        ("result" (format "\e[31mOut[%d]:\e[m %s" number (its :text)))
        ("display" (and (not (eq (its :of_result) t)) (not (string-empty-p (its :text))) (its :text)))
        ("error" (and (not (eq (its :printed) t)) (plist-get (its :error) :traceback)))
        ("finished"
         (and (member (its :status) '("interrupted" "aborted")) (format "In [%d] was %s." number (its :status))))
        ("died"
         (let ((exit (its :exit)))
           (string-trim-right (format "\e[1;31m%s\e[m\n%s" (plist-get exit :reason) (plist-get exit :stack)))))
        ("restored"
         (format "═══ RESTART: epoch %d ═══\nRestored in %.2f s: %s.%s" (plist-get event :epoch) (its :seconds)
                 (pyshell--names (its :names)) (pyshell--lacking (its :not_restored))))
        ("checked_out"
         (format "At saved state %d; loaded: %s; removed: %s.%s" (its :checkpoint) (pyshell--names (its :names))
                 (pyshell--names (its :removed)) (pyshell--lacking (its :not_restored))))
        ("loaded"
         (format "Loaded from saved state %d: %s.%s" (its :checkpoint) (pyshell--names (its :names))
                 (pyshell--lacking (its :not_restored))))
        ("checkout_failed" (concat "Not done: " (its :reason)))
        ("save_failed" (concat "Not saved: " (its :reason)))
        ("held" (format "%d cells wait because the worker died; M-x pyshell-release runs them." (length (its :cells))))
        ((or "stack" "notice") (its :text))
        ("draft" (its :code))))))

;;; Results beside the code

(defun pyshell--add-mark (session start end)
  "Note that the text from START to END was sent to SESSION; return the mark."
  (pyshell-clear start end)
  (let* ((overlay (make-overlay start end nil t nil))
         (mark (make-pyshell--mark :session session :overlay overlay
                                   :beside (make-overlay end end nil t nil)
                                   :text (buffer-substring-no-properties start end)
                                   :line (line-number-at-pos start t))))
    (overlay-put overlay 'pyshell-mark mark)
    (dolist (hook '(modification-hooks insert-behind-hooks insert-in-front-hooks))
      (overlay-put overlay hook '(pyshell--changed)))
    (push mark (pyshell--session-marks session))
    (pyshell--draw mark)
    mark))

(defun pyshell--changed (overlay after &rest _)
  "Take the mark of OVERLAY away if its text has changed, AFTER the change."
  (when-let ((mark (and after (overlay-buffer overlay) (overlay-get overlay 'pyshell-mark))))
    (unless (save-excursion
              (goto-char (overlay-end overlay))
              (and (eolp) (equal (pyshell--mark-text mark)
                                 (buffer-substring-no-properties (overlay-start overlay) (overlay-end overlay)))))
      (pyshell--remove-mark mark))))

(defun pyshell--remove-mark (mark)
  "Take MARK away."
  (let ((session (pyshell--mark-session mark)))
    (setf (pyshell--session-marks session) (delq mark (pyshell--session-marks session))))
  (delete-overlay (pyshell--mark-overlay mark))
  (delete-overlay (pyshell--mark-beside mark)))

(defun pyshell--marks (&optional start end)
  "Each mark between START and END of the current buffer; by default all."
  (delq nil (mapcar (lambda (overlay) (overlay-get overlay 'pyshell-mark))
                    (overlays-in (or start (point-min)) (or end (point-max))))))

(defun pyshell-clear (&optional start end)
  "Take the results beside the code between START and END away; by default all."
  (interactive)
  (mapc #'pyshell--remove-mark (pyshell--marks start end)))

(defun pyshell--is-cell-of (mark event body)
  "Whether EVENT, which has BODY, is about MARK, whose number did not arrive."
  (and (equal (plist-get body :kind) "queued")
       (equal (plist-get event :client) pyshell--client)
       (string-suffix-p (pyshell--mark-code mark) (plist-get body :code))))

(defun pyshell--short (text)
  "TEXT in one line of bounded length."
  (truncate-string-to-width (replace-regexp-in-string "[ \t]*\n[ \t\n]*" " " text) pyshell-mark-width nil nil "…"))

(defun pyshell--look (mark)
  "The text of MARK and its face."
  (let* ((number (pyshell--mark-cell mark))
         (cell (and number (gethash number (pyshell--session-cells (pyshell--mark-session mark)))))
         (err (plist-get cell :error))
         (status (plist-get cell :status)))
    (cond
     ((not number)
      (cons (if (pyshell--mark-lost mark) "? the connection was lost before it was queued" "⋯") 'pyshell-pending))
     ((plist-get cell :died)
      (cons (concat "✗ " (pyshell--short (plist-get (plist-get cell :died) :reason))) 'pyshell-error))
     ((not (plist-get cell :seconds)) (cons (format "⋯ In[%d] %s" number (or status "queued")) 'pyshell-pending))
     (err (cons (concat "✗ " (pyshell--short (format "%s: %s" (plist-get err :kind) (plist-get err :message))))
                'pyshell-error))
     ((not (equal status "ok")) (cons (concat "✗ " status) 'pyshell-error))
     ((plist-get cell :result)
      (cons (pyshell--short (format "Out[%d]: %s" number (plist-get cell :result))) 'pyshell-result))
     (t (cons (format "✓ In[%d] %.2f s" number (plist-get cell :seconds)) 'pyshell-done)))))

(defun pyshell--draw (mark)
  "Show what is known of MARK beside its last line, or beside the one that raised."
  (when-let ((buffer (overlay-buffer (pyshell--mark-overlay mark))))
    (with-current-buffer buffer
      (let ((place (pyshell--place mark)) (look (pyshell--look mark)))
        (move-overlay (pyshell--mark-beside mark) place place)
        (overlay-put (pyshell--mark-beside mark) 'after-string
                     (concat "  " (propertize (car look) 'face (cdr look) 'cursor t)))))))

(defun pyshell--place (mark)
  "Where the text of MARK stands."
  (save-excursion
    (save-restriction
      (widen)
      (let* ((overlay (pyshell--mark-overlay mark))
             (number (pyshell--mark-cell mark))
             (err (and number (pyshell--cell (pyshell--mark-session mark) number :error)))
             (first (line-number-at-pos (overlay-start overlay)))
             (last (line-number-at-pos (overlay-end overlay)))
             (line last))
        (when (and err (pyshell--mark-file mark))
          (with-temp-buffer
            (insert (plist-get err :traceback))
            (goto-char (point-min))
            (while (re-search-forward (format "\"%s\", line \\([0-9]+\\)" (regexp-quote (pyshell--mark-file mark)))
                                      nil t)
              ;; It has the lines as they were when the code was sent; meanwhile it may have moved.
              (let ((found (+ (string-to-number (match-string 1)) (- first (pyshell--mark-line mark)))))
                (when (<= first found last)
                  (setq line found))))))
        (goto-char (overlay-start overlay))
        (forward-line (- line first))
        (line-end-position)))))

;;; Sending

(defconst pyshell--cell-mark "^[ \t]*#[ \t]*%%"
  "The beginning of a line that begins a cell.")

(defun pyshell--bounds-of-cell ()
  "Where the code of the cell at point begins and ends."
  (save-excursion
    (end-of-line)
    (let ((start (if (re-search-backward pyshell--cell-mark nil t) (line-beginning-position 2) (point-min))))
      (goto-char start)
      (cons start (if (re-search-forward pyshell--cell-mark nil t) (line-beginning-position) (point-max))))))

(defun pyshell--bounds-of-line ()
  "Where the line at point begins, and where the block that it opens ends."
  (save-excursion
    (beginning-of-line)
    (let ((start (point)) (indentation (current-indentation)) (end (line-end-position)) (open nil))
      (setq open (looking-at-p "[ \t]*@"))
      (while (and (= 0 (forward-line 1)) (not (eobp))
                  (or (looking-at-p "[ \t]*$")
                      (> (current-indentation) indentation)
                      (and (= (current-indentation) indentation)
                           (or open (looking-at-p "[ \t]*\\(?:[])}]\\|\\(?:else\\|elif\\|except\\|finally\\)\\_>\\)")))))
        (unless (looking-at-p "[ \t]*$")
          (setq open (looking-at-p "[ \t]*@")
                end (line-end-position))))
      (cons start end))))

(defun pyshell-send-region (start end)
  "Run the lines from START to END, and note the result beside them."
  (interactive "r")
  (save-excursion
    (goto-char start)
    (skip-chars-forward " \t\n" end)
    (setq start (line-beginning-position))
    (goto-char end)
    (skip-chars-backward " \t\n" start)
    (setq end (line-end-position)))
  (when (< start end)
    (let* ((session (pyshell-start))
           (mark (pyshell--add-mark session start end))
           (code (buffer-substring-no-properties start end)))
      (when pyshell-show-output
        (display-buffer (pyshell--output session)))
      (if buffer-file-name
          (setf (pyshell--mark-file mark) (expand-file-name buffer-file-name))
        (setq code (pyshell--dedented code)))
      (setf (pyshell--mark-code mark) code)
      (deactivate-mark)
      (pyshell--request
       session "execute"
       `(:code ,code ,@(when buffer-file-name
                         (list :file (pyshell--mark-file mark) :line (line-number-at-pos start t))))
       (lambda (submitted &optional err)
         (cond
          (submitted (setf (pyshell--mark-cell mark) (plist-get submitted :cell)))
          ((not (pyshell--loss-p err))
           (pyshell--remove-mark mark)
           (pyshell--tell session "%s" (plist-get err :message))))
         (pyshell--draw mark))))))

(defun pyshell--dedented (code)
  "CODE without the indentation that its lines share."
  (with-temp-buffer
    (insert code)
    (let ((shared most-positive-fixnum))
      (goto-char (point-min))
      (while (not (eobp))
        (unless (looking-at-p "[ \t]*$")
          (setq shared (min shared (current-indentation))))
        (forward-line 1))
      (indent-rigidly (point-min) (point-max) (- shared)))
    (buffer-string)))

(defun pyshell-send-line ()
  "Run the line at point with the block that it opens, and go to what follows."
  (interactive)
  (pcase-let ((`(,start . ,end) (pyshell--bounds-of-line)))
    (pyshell-send-region start end)
    (goto-char end)
    (forward-line 1)))

(defun pyshell-send-cell ()
  "Run the cell at point; cells begin at lines like `# %%'."
  (interactive)
  (pcase-let ((`(,start . ,end) (pyshell--bounds-of-cell)))
    (pyshell-send-region start end)))

(defun pyshell-send-cell-and-go ()
  "Run the cell at point, and go to the next one."
  (interactive)
  (pyshell-send-cell)
  (goto-char (cdr (pyshell--bounds-of-cell)))
  (forward-line 1))

(defun pyshell-send-buffer ()
  "Run the buffer."
  (interactive)
  (pyshell-send-region (point-min) (point-max)))

;;; Asking

(defun pyshell--around-point ()
  "The code around point as a request has it."
  (pcase-let* ((`(,start . ,_) (pyshell--bounds-of-cell))
               (start (max (min start (line-beginning-position)) (line-beginning-position -500))))
    (list :code (buffer-substring-no-properties start (line-end-position))
          :cursor_pos (- (point) start))))

(defun pyshell--answer (session method params)
  "The answer of SESSION to METHOD with PARAMS; nil if a key is typed before."
  (when (pyshell--session-ready session)
    (let ((until (+ (float-time) pyshell-patience)) (answer nil) (done nil))
      (pyshell--request session method params
                        (lambda (result &optional _err)
                          (setq answer result
                                done t)))
      (while (not (or done (input-pending-p) (> (float-time) until)))
        (accept-process-output nil 0.02))
      answer)))

(defun pyshell-completion-at-point ()
  "For `completion-at-point-functions': ask the session, also if it is busy."
  (when-let* ((session (pyshell--current))
              (around (pyshell--around-point))
              (found (pyshell--answer session "complete" around))
              (matches (append (plist-get found :matches) nil)))
    (let ((facts (make-hash-table :test #'equal)))
      (dolist (match matches)
        (puthash (plist-get match :text) match facts))
      (cl-flet ((fact (text name) (plist-get (gethash text facts) name)))
        (list (- (point) (- (plist-get around :cursor_pos) (plist-get found :start)))
              (point)
              (mapcar (lambda (match) (plist-get match :text)) matches)
              :annotation-function (lambda (text) (concat " " (fact text :type)))
              :company-docsig (lambda (text) (fact text :signature))
              :exclusive 'no)))))

(defun pyshell-eldoc (callback &rest _)
  "For `eldoc-documentation-functions': later, give CALLBACK a line."
  (when-let ((session (pyshell--current)))
    (when (pyshell--session-ready session)
      (pyshell--request session "inspect" (pyshell--around-point)
                        (lambda (found &optional _err)
                          (when (eq (plist-get found :found) t)
                            (funcall callback (pyshell--summary found) :thing (plist-get found :name)))))
      t)))

(defun pyshell--summary (found)
  "The text of FOUND, an inspection, in a line."
  (let ((signature (plist-get found :signature)))
    (if (string-empty-p signature)
        (pyshell--short (format "%s: %s" (plist-get found :type) (plist-get found :preview)))
      signature)))

(defun pyshell-document ()
  "Show what is known of what is at point in a help window.
A line of it comes in the echo area."
  (interactive)
  (let ((session (pyshell-start)))
    (pyshell--request
     session "inspect" (pyshell--around-point)
     (lambda (found)
       (if (not (eq (plist-get found :found) t))
           (pyshell--tell session "nothing is known of what is at point")
         (with-help-window (help-buffer)
           (princ (pyshell--page found)))
         (message "%s" (pyshell--summary found)))))))

(defun pyshell--page (found)
  "The whole text of FOUND, an inspection."
  (cl-flet ((its (name) (plist-get found name)))
    (string-join
     (seq-remove #'string-empty-p
                 (list (if (string-empty-p (its :signature)) (its :name) (its :signature))
                       (string-trim (format "%s %s %s" (its :type) (its :shape) (its :dtype)))
                       (its :preview)
                       (string-trim (its :doc))
                       (if (string-empty-p (its :file)) "" (format "%s:%d" (its :file) (its :line)))))
     "\n\n")))

;;; Views

(defvar-local pyshell--path ""
  "What the buffer lists the contents of.")

(define-derived-mode pyshell-variables-mode tabulated-list-mode "Pyshell-Variables"
  "The variables of a session.
\\<pyshell-variables-mode-map>\\[pyshell-open-value] opens one."
  (setq tabulated-list-format [("Name" 20 t) ("Type" 14 t) ("Shape" 12 t) ("Size" 9 nil) ("Value" 0 nil)])
  (setq-local revert-buffer-function (lambda (&rest _) (pyshell--fill-variables (current-buffer))))
  (tabulated-list-init-header))

(define-key pyshell-variables-mode-map (kbd "RET") #'pyshell-open-value)

(define-derived-mode pyshell-states-mode tabulated-list-mode "Pyshell-States"
  "The saved states of a session.
\\<pyshell-states-mode-map>\\[pyshell-go-to-state] goes to one."
  (setq tabulated-list-format [("" 1 nil) ("State" 6 t) ("Time" 9 t) ("Cell" 8 nil) ("Names" 6 nil) ("Label" 0 nil)])
  (setq-local revert-buffer-function (lambda (&rest _) (pyshell--fill-states (current-buffer))))
  (tabulated-list-init-header))

(define-key pyshell-states-mode-map (kbd "RET") #'pyshell-go-to-state)
(define-key pyshell-states-mode-map (kbd "l") #'pyshell-label-state)
(define-key pyshell-states-mode-map (kbd "u") #'pyshell-undo)
(define-key pyshell-states-mode-map (kbd "U") #'pyshell-redo)

(defun pyshell--view (name mode)
  "The buffer of the current session's view NAME, in MODE, in a window."
  (let* ((session (pyshell-start))
         (buffer (get-buffer-create (format "*pyshell %s: %s*" (pyshell--session-name session) name))))
    (with-current-buffer buffer
      (unless (derived-mode-p mode)
        (funcall mode))
      (setq pyshell-session-name (pyshell--session-name session)))
    (pop-to-buffer buffer)
    buffer))

(defun pyshell--line-of (text)
  "TEXT in one line."
  (replace-regexp-in-string "[ \t]*\n[ \t\n]*" " " text))

(defun pyshell--list (buffer entries)
  "Show ENTRIES in BUFFER."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (setq tabulated-list-entries entries)
      (tabulated-list-print t))))

(defun pyshell-variables ()
  "Show the variables of the session."
  (interactive)
  (pyshell--fill-variables (pyshell--view "variables" 'pyshell-variables-mode)))

(defun pyshell--fill-variables (buffer)
  "Read again what is in BUFFER."
  (with-current-buffer buffer
    (let ((names (string-empty-p pyshell--path)))
      (pyshell--request
       (pyshell-start) (if names "variables" "children")
       (append (unless names (list :path pyshell--path)) (list :start 0 :count 1000))
       (lambda (page)
         (pyshell--list buffer (mapcar #'pyshell--variable (plist-get page (if names :variables :children)))))))))

(defun pyshell--variable (found)
  "The entry of a list for FOUND, a variable or an item of one."
  (cl-flet ((its (name) (plist-get found name)))
    (list (or (its :path) (its :name))
          (vector (its :name) (its :type) (its :shape)
                  (if (> (its :size) 0) (file-size-human-readable (its :size) 'si) "")
                  (pyshell--line-of
                   (concat (its :preview)
                           (if (eq (its :saved) :json-false) (concat "  ! not saved: " (its :reason)) "")))))))

(defun pyshell-open-value ()
  "Show what is in the value on this line."
  (interactive)
  (let ((path (tabulated-list-get-id)))
    (when (and path (not (string-empty-p path)))
      (let ((buffer (pyshell--view path 'pyshell-variables-mode)))
        (with-current-buffer buffer
          (setq pyshell--path path))
        (pyshell--fill-variables buffer)))))

(defun pyshell-states ()
  "Show the saved states of the session, newest first."
  (interactive)
  (pyshell--fill-states (pyshell--view "states" 'pyshell-states-mode)))

(defun pyshell--fill-states (buffer)
  "Read again what is in BUFFER."
  (with-current-buffer buffer
    (pyshell--request
     (pyshell-start) "checkpoints" nil
     (lambda (found)
       (pyshell--list buffer (nreverse (mapcar #'pyshell--state (plist-get found :checkpoints))))))))

(defun pyshell--state (saved)
  "The entry of a list for SAVED, a checkpoint."
  (let ((cell (plist-get saved :cell)))
    (list (plist-get saved :checkpoint)
          (vector (if (eq (plist-get saved :head) t) "*" "")
                  (number-to-string (plist-get saved :checkpoint))
                  (format-time-string "%H:%M:%S" (plist-get saved :time))
                  (if cell (format "In[%d]" cell) "")
                  (number-to-string (plist-get saved :names))
                  (or (plist-get saved :label) "")))))

(defun pyshell--chosen-state ()
  "The saved state on this line."
  (or (tabulated-list-get-id) (user-error "No saved state on this line")))

(defun pyshell-go-to-state ()
  "Take the session to the saved state on this line."
  (interactive)
  (pyshell--travel "restore" (list :checkpoint (pyshell--chosen-state))))

(defun pyshell-label-state (label)
  "Name the saved state on this line LABEL, so that it is never forgotten.
An empty one takes its name away."
  (interactive "sLabel: ")
  (let ((buffer (current-buffer)))
    (pyshell--request (pyshell-start) "label"
                      (list :checkpoint (pyshell--chosen-state) :label (unless (string-empty-p label) label))
                      (lambda (_) (pyshell--fill-states buffer)))))

;;; The worker and the session

(defun pyshell-interrupt ()
  "Stop the running cell; firmer each time."
  (interactive)
  (let ((session (pyshell-start)))
    (pyshell--request session "interrupt" nil
                      (lambda (done)
                        (when (equal (plist-get done :rung) "nothing")
                          (pyshell--tell session "no cell runs"))))))

(defun pyshell-restart (&optional fresh)
  "Start another worker with the newest saved state.
With a prefix argument, FRESH, it has nothing."
  (interactive "P")
  (pyshell--request (pyshell-start) "restart" (list :fresh (if fresh t :json-false))))

(defun pyshell-save (label)
  "Save the state of the session now, under LABEL unless that is empty."
  (interactive "sLabel (may be empty): ")
  (let ((session (pyshell-start)))
    (pyshell--request session "save" (list :label (unless (string-empty-p label) label))
                      (lambda (_) (pyshell--tell session "saved %s" label)))))

(defun pyshell--travel (method &optional params)
  "Ask the session to go where METHOD and PARAMS lead."
  (let ((buffer (current-buffer)))
    (pyshell--request (pyshell-start) method params
                      (lambda (_)
                        (when (and (buffer-live-p buffer)
                                   (with-current-buffer buffer (derived-mode-p 'pyshell-states-mode)))
                          (pyshell--fill-states buffer))))))

(defun pyshell-undo ()
  "Take the session to before its last change."
  (interactive)
  (pyshell--travel "undo"))

(defun pyshell-redo ()
  "Take the session to what was undone."
  (interactive)
  (pyshell--travel "redo"))

(defun pyshell-release ()
  "Run the cells that wait since the worker died."
  (interactive)
  (pyshell--request (pyshell-start) "release"))

(defun pyshell-kill ()
  "End the session; what is saved stays."
  (interactive)
  (let ((session (pyshell-start)))
    (pyshell--request session "kill" nil (lambda (_)
                                              (setf (pyshell--session-over session) t)
                                              (when-let ((connection (pyshell--session-connection session)))
                                                (pyshell--stop connection))))))

;;; The mode

(defvar pyshell-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("l" . pyshell-send-line) ("r" . pyshell-send-region) ("c" . pyshell-send-cell)
                     ("n" . pyshell-send-cell-and-go) ("b" . pyshell-send-buffer) ("o" . pyshell-output)
                     ("i" . pyshell-interrupt) ("R" . pyshell-restart) ("v" . pyshell-variables)
                     ("s" . pyshell-states) ("S" . pyshell-save) ("u" . pyshell-undo) ("U" . pyshell-redo)
                     ("d" . pyshell-document) ("x" . pyshell-clear) ("g" . pyshell-release)))
      (define-key map (kbd key) command))
    map)
  "What `pyshell-mode' has under its prefix.")

(defvar pyshell-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c ;") pyshell-command-map)
    map)
  "Keys of `pyshell-mode'.")

;;;###autoload
(define-minor-mode pyshell-mode
  "Send code of this buffer to a pyshell session.

\\{pyshell-mode-map}"
  :lighter " pyshell"
  (if pyshell-mode
      (progn
        (add-hook 'completion-at-point-functions #'pyshell-completion-at-point nil t)
        (add-hook 'eldoc-documentation-functions #'pyshell-eldoc nil t))
    (remove-hook 'completion-at-point-functions #'pyshell-completion-at-point t)
    (remove-hook 'eldoc-documentation-functions #'pyshell-eldoc t)
    (pyshell-clear)))

(provide 'pyshell)
;;; pyshell.el ends here
