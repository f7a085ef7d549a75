#compdef nfcot
# Completion of nfcot in zsh: nfcot completion zsh > a folder of $fpath, as _nfcot
_nfcot() {
	local -a known before=("${(@)words[1,CURRENT-1]}")
	[[ ${words[CURRENT]} == -* ]] && before+=("${words[CURRENT]}")
	known=("${(@f)$("${before[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n ${known[1]} ]]; then
		compadd -- "${known[@]}"
	else
		_files
	fi
}
compdef _nfcot nfcot
